// Loops that a compiler cannot unroll, for drivers that compute on the CPU: their compilers take long over code (seconds for
// what comes out of 16 unrolled stores), and what they compile gains nothing from being unrolled.
//
// Every kernel is written so that a loop of few rounds rotates small vectors and matrices by constant indices. LOOPS is 0 on
// hardware: the number of rounds is a constant, the loop unrolls, and a rotation is nothing but other names of registers.
//
// Trees of sums over a workgroup begin at loops_end(lanes / 2, ..): unrolled, each of their barriers is one more place at which
// such a compiler cuts the kernel.

override LOOPS: u32 = 0u;  // 1 on drivers that compute on the CPU

// `rounds`; `some` is a number that is 1 or more and the same for all lanes, of a uniform or the length of a buffer.
fn loops_end(rounds: u32, some: u32) -> u32 {
    if (LOOPS == 0u) { return rounds; }
    return rounds * min(some, 1u);
}
