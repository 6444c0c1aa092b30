//! One golden file.

use ndarray::{Array1, Array2, ArrayD, IxDyn};
use safetensors::{Dtype, SafeTensors};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use wgpo::low_level::reference::Real;

/// Kinds that are built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Gae,
    KStepAdvantage,
    DiscountedReturn,
    TdLambda,
    Vtrace,
    Dist,
    Surrogate,
    Mlp,
    Adam,
    PpoUpdate,
    PpoUpdateCleanrl,
    Fvp,
    PpoPenaltyUpdate,
    TrpoUpdate,
    Env,
    ObsNorm,
    RewardScaling,
    LibraryUpdate,
    TdTarget,
    Polyak,
    SquashedReparam,
    DqnUpdate,
    DdpgUpdate,
    Td3Update,
    SacUpdate,
}

impl Kind {
    pub const ALL: [Self; 25] = [
        Self::Gae,
        Self::KStepAdvantage,
        Self::DiscountedReturn,
        Self::TdLambda,
        Self::Vtrace,
        Self::Dist,
        Self::Surrogate,
        Self::Mlp,
        Self::Adam,
        Self::PpoUpdate,
        Self::PpoUpdateCleanrl,
        Self::Fvp,
        Self::PpoPenaltyUpdate,
        Self::TrpoUpdate,
        Self::Env,
        Self::ObsNorm,
        Self::RewardScaling,
        Self::LibraryUpdate,
        Self::TdTarget,
        Self::Polyak,
        Self::SquashedReparam,
        Self::DqnUpdate,
        Self::DdpgUpdate,
        Self::Td3Update,
        Self::SacUpdate,
    ];

    /// As the file spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gae => "gae",
            Self::KStepAdvantage => "k_step_advantage",
            Self::DiscountedReturn => "discounted_return",
            Self::TdLambda => "td_lambda",
            Self::Vtrace => "vtrace",
            Self::Dist => "dist",
            Self::Surrogate => "surrogate",
            Self::Mlp => "mlp",
            Self::Adam => "adam",
            Self::PpoUpdate => "ppo_update",
            Self::PpoUpdateCleanrl => "ppo_update_cleanrl",
            Self::Fvp => "fvp",
            Self::PpoPenaltyUpdate => "ppo_penalty_update",
            Self::TrpoUpdate => "trpo_update",
            Self::Env => "env",
            Self::ObsNorm => "obs_norm",
            Self::RewardScaling => "reward_scaling",
            Self::LibraryUpdate => "library_update",
            Self::TdTarget => "td_target",
            Self::Polyak => "polyak",
            Self::SquashedReparam => "squashed_reparam",
            Self::DqnUpdate => "dqn_update",
            Self::DdpgUpdate => "ddpg_update",
            Self::Td3Update => "td3_update",
            Self::SacUpdate => "sac_update",
        }
    }
}

/// One tensor; every number of the files is exact in f64.
#[derive(Debug, Clone)]
pub struct Tensor {
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    pub values: Vec<f64>,
}

#[derive(Debug, Clone)]
pub struct Case {
    pub path: PathBuf,
    pub metadata: HashMap<String, String>,
    pub tensors: BTreeMap<String, Tensor>,
}

impl Case {
    pub fn read(path: &Path) -> Result<Self, String> {
        let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|error| error.to_string())?;
        let file = SafeTensors::deserialize(&bytes).map_err(|error| error.to_string())?;
        let tensor = |(name, view): (String, safetensors::tensor::TensorView<'_>)| {
            let data = view.data();
            let values = match view.dtype() {
                Dtype::F32 => data.as_chunks().0.iter().map(|word| f32::from_le_bytes(*word).into()).collect(),
                Dtype::F64 => data.as_chunks().0.iter().map(|word| f64::from_le_bytes(*word)).collect(),
                Dtype::I32 => data.as_chunks().0.iter().map(|word| i32::from_le_bytes(*word).into()).collect(),
                other => return Err(format!("\"{name}\" is {other}")),
            };
            Ok((name, Tensor { dtype: view.dtype(), shape: view.shape().to_vec(), values }))
        };
        Ok(Self {
            path: path.into(),
            metadata: header.metadata().clone().unwrap_or_default(),
            tensors: file.tensors().into_iter().map(tensor).collect::<Result<_, _>>()?,
        })
    }

    pub fn file(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    pub fn text(&self, key: &str) -> Result<&str, String> {
        self.metadata.get(key).map(String::as_str).ok_or_else(|| format!("no key \"{key}\""))
    }

    pub fn number(&self, key: &str) -> Result<f64, String> {
        let text = self.text(key)?;
        text.parse().map_err(|_| format!("key \"{key}\" is \"{text}\""))
    }

    /// `None` for `none`.
    pub fn option(&self, key: &str) -> Result<Option<f64>, String> {
        if self.text(key)? == "none" { Ok(None) } else { self.number(key).map(Some) }
    }

    pub fn flag(&self, key: &str) -> Result<bool, String> {
        self.text(key)?.parse().map_err(|_| format!("key \"{key}\" is not a boolean"))
    }

    pub fn list(&self, key: &str) -> Result<Vec<usize>, String> {
        self.text(key)?.split(',').map(|part| part.parse().map_err(|_| format!("key \"{key}\""))).collect()
    }

    pub fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    pub fn tensor(&self, name: &str) -> Result<&Tensor, String> {
        self.tensors.get(name).ok_or_else(|| format!("no tensor \"{name}\""))
    }

    pub fn values<F: Real>(&self, name: &str) -> Result<Vec<F>, String> {
        Ok(self.tensor(name)?.values.iter().map(|value| F::of(*value)).collect())
    }

    pub fn array<F: Real>(&self, name: &str) -> Result<ArrayD<F>, String> {
        let shape = IxDyn(&self.tensor(name)?.shape);
        ArrayD::from_shape_vec(shape, self.values(name)?).map_err(|error| error.to_string())
    }

    pub fn vector<F: Real>(&self, name: &str) -> Result<Array1<F>, String> {
        self.array(name)?.into_dimensionality().map_err(|error| format!("\"{name}\": {error}"))
    }

    pub fn matrix<F: Real>(&self, name: &str) -> Result<Array2<F>, String> {
        self.array(name)?.into_dimensionality().map_err(|error| format!("\"{name}\": {error}"))
    }

    pub fn flags(&self, name: &str) -> Result<Array2<u32>, String> {
        Ok(self.matrix::<f64>(name)?.mapv(|flag| flag as u32))
    }

    /// `(rtol, atol)` of the file's advice for f32.
    pub fn tolerance(&self, name: &str) -> Result<(f64, f64), String> {
        let text = self.text(&format!("tolerance.{name}"))?;
        let part = |key: &str| {
            text.split(',')
                .find_map(|part| part.trim().strip_prefix(key)?.strip_prefix('=')?.parse().ok())
                .ok_or_else(|| format!("tolerance of \"{name}\" is \"{text}\""))
        };
        Ok((part("rtol")?, part("atol")?))
    }
}
