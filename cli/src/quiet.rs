//! A quiet start where there is no desktop session.

/// Mesa's Vulkan layers look for a Wayland display, and complain on standard error where `XDG_RUNTIME_DIR` is not set, as in
/// a container. Starts the program over with one; returns if that is not needed or not possible.
#[cfg(target_os = "linux")]
pub fn start() {
    use std::os::unix::process::CommandExt;

    const NAME: &str = "XDG_RUNTIME_DIR";
    if std::env::var_os(NAME).is_none()
        && let Ok(program) = std::env::current_exe()
    {
        // Replaces this process, so it returns only with an error; then a complaint is all that is at stake.
        let _ = std::process::Command::new(program)
            .args(std::env::args_os().skip(1))
            .env(NAME, std::env::temp_dir())
            .exec();
    }
}

/// Nothing to do elsewhere.
#[cfg(not(target_os = "linux"))]
pub fn start() {}
