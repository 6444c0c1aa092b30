//! What a policy may be.

use super::branch::{Branch, Input};
use super::head::Head;
use super::spec::PolicySpec;
use crate::error::{Error, Result};
use crate::memory::{total, word};
use std::collections::BTreeSet;

impl PolicySpec {
    /// Refuses what is no policy: an observation without numbers, widths of 0, heads without actions, branches without layers or with a name
    /// that another has, inputs that do not come earlier, an actor with another number of outputs than the head takes or a critic with
    /// more than one, and more parameters than an index on a device can tell apart (2³² − 1).
    ///
    /// Refuses as well what no plan computes yet, on the device and on the CPU: `policy` and `value` must both take the observation, or both
    /// the output of one further branch that takes the observation, and `policy` comes before `value`. A policy may lack `value`; an
    /// algorithm with a critic then refuses it. Only `q1` and `q2` take the action; they have one output and the same layers, and the head is a
    /// tanh-Gaussian. With a categorical head they take the observation, and have an output for each choice.
    ///
    /// # Errors
    /// [`Error::Config`] naming the first bad width or branch, [`Error::OwnLimit`] with the number of parameters.
    pub fn validate(&self) -> Result<()> {
        if self.obs_shape == [0] {
            return Err(Error::config("obs_dim", "is 0, must be at least 1"));
        }
        if self.obs_shape.is_empty() || self.obs_shape.contains(&0) {
            let message = format!("is {:?}, must be one or more dimensions of at least 1", self.obs_shape);
            return Err(Error::config("obs_shape", message));
        }
        self.validate_branches()?;
        self.head.validate()?;
        self.validate_actor_critic()?;
        let needs = self.parameter_count();
        if needs > u128::from(u32::MAX) {
            let what = format!("a policy on {} observed numbers with {}", self.obs_dim(), self.widths());
            return Err(Error::OwnLimit { what, limit: "parameters", needs: word(needs), has: u32::MAX.into() });
        }
        Ok(())
    }

    /// Names, inputs and widths, whatever the branches are for.
    fn validate_branches(&self) -> Result<()> {
        if self.branches.len() > Branch::MOST {
            let message = format!("are {}, at most {} are possible", self.branches.len(), Branch::MOST);
            return Err(Error::config("branches", message));
        }
        let mut names = BTreeSet::new();
        for (index, branch) in self.branches.iter().enumerate() {
            let name = &branch.name;
            let wrong = |message: String| Err(Error::config("branches", format!("branch \"{name}\" {message}")));
            let mut letters = name.chars();
            let begins = letters.next().is_some_and(|first| first.is_ascii_alphabetic());
            if !begins || !letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_') {
                return wrong("must have a name of a letter and then letters, digits and _".to_owned());
            }
            if !names.insert(name) {
                return wrong("is there twice, names must differ".to_owned());
            }
            if let Input::Branch(input) = &branch.input
                && self.input_of(index).is_none()
            {
                return wrong(format!("takes the output of \"{input}\", which is no earlier branch"));
            }
            if branch.layers.is_empty() {
                return wrong("has no layers, needs at least one".to_owned());
            }
            // The last widths of actor and critic are not among the widths that a file has.
            let (field, widths) = match name.as_str() {
                Branch::TRUNK => ("trunk", branch.widths().collect()),
                Branch::POLICY => ("policy_hidden", self.hidden(name)),
                Branch::VALUE => ("value_hidden", self.hidden(name)),
                _ => ("branches", branch.widths().collect()),
            };
            if widths.contains(&0) {
                let message = format!("is {widths:?} in branch \"{name}\", every width must be at least 1");
                return Err(Error::config(field, message));
            }
        }
        Ok(())
    }

    /// What learners of an actor and a critic need, and what their plans cannot do.
    fn validate_actor_critic(&self) -> Result<()> {
        let wrong = |message: String| Err(Error::config("branches", message));
        let Some(policy) = self.index(Branch::POLICY) else {
            return wrong("have no branch \"policy\", which is the actor".to_owned());
        };
        let value = self.index(Branch::VALUE);
        let of_head = format!("outputs of its {} head", self.head.name());
        let outputs = [(Some(policy), self.head.raw_outputs(), of_head.as_str()), (value, 1, "value")];
        for (index, needs, what) in outputs {
            let Some(branch) = index.map(|index| &self.branches[index]) else { continue };
            let has = branch.widths().last().unwrap_or(0);
            if has != needs {
                return wrong(format!("branch \"{}\" has {has} outputs, needs {needs}, the {what}", branch.name));
            }
        }
        if value.is_some_and(|value| value < policy) {
            return wrong(
                "branch \"value\" comes before branch \"policy\": list \"policy\" before \"value\"".to_owned(),
            );
        }
        let trunk = self.input_of(policy);
        if value.is_some_and(|value| trunk != self.input_of(value)) {
            return wrong(
                "branch \"policy\" and branch \"value\" take different inputs: a learner takes both from the observation, or both from one branch"
                    .to_owned(),
            );
        }
        self.validate_critics(policy)?;
        let critics = self.critics();
        let mut others = (0..self.branches.len()).filter(|index| !critics.contains(index));
        let other = others.find(|index| ![Some(policy), value, trunk].contains(&Some(*index)));
        if let Some(other) = other {
            let name = &self.branches[other].name;
            return wrong(format!(
                "branch \"{name}\" is one too many: a learner takes \"policy\", \"value\" and one branch that both take the output of"
            ));
        }
        Ok(())
    }

    /// That critics of actions are what their algorithms learn.
    fn validate_critics(&self, policy: usize) -> Result<()> {
        let wrong = |message: String| Err(Error::config("branches", message));
        let critics = self.critics();
        for (place, index) in critics.iter().enumerate() {
            let name = self.branches[*index].name.as_str();
            let wants = Branch::CRITICS.get(place).copied();
            let takes_action = self.branches[*index].input == Input::ObsAction;
            if wants != Some(name) || *index < policy {
                let what = if takes_action { "takes observation and action" } else { "is a critic of choices" };
                return wrong(format!(
                    "branch \"{name}\" {what}: \"q1\" does, and then \"q2\", both behind \"policy\""
                ));
            }
            if takes_action && !matches!(self.head, Head::TanhGaussian { .. }) {
                let head = self.head.name();
                return wrong(format!("branch \"{name}\" takes actions in [-1, 1], which a {head} head has not"));
            }
            let (widths, first) = (self.sizes_at(*index), self.sizes_at(critics[0]));
            let outputs = if takes_action { 1 } else { self.head.raw_outputs() };
            if widths.last() != Some(&outputs) || widths != first {
                let plural = if outputs == 1 { "one output".to_owned() } else { format!("{outputs} outputs") };
                return wrong(format!(
                    "branch \"{name}\" has widths {widths:?}, \"q1\" has {first:?}: both the same, and {plural}"
                ));
            }
        }
        Ok(())
    }

    /// Trainable numbers, whatever the sizes.
    pub(crate) fn parameter_count(&self) -> u128 {
        let of_layer = |pair: &[usize]| total(&[pair, &pair[1..]]);
        let of_branch = |index| self.sizes_at(index).windows(2).map(of_layer).fold(0, u128::saturating_add);
        (0..self.branches.len()).map(of_branch).fold(self.head.free_parameters() as u128, u128::saturating_add)
    }

    /// Its hidden layers in words.
    fn widths(&self) -> String {
        let hidden = |branch: &Branch| match branch.name.as_str() {
            Branch::POLICY => ("policy_hidden".to_owned(), self.hidden(&branch.name)),
            Branch::VALUE => ("value_hidden".to_owned(), self.hidden(&branch.name)),
            name => (name.to_owned(), branch.widths().collect()),
        };
        let named = self.branches.iter().map(hidden);
        let told =
            named.filter(|(_, widths): &(_, Vec<usize>)| !widths.is_empty()).map(|(name, widths)| match widths.len() {
                0..=8 => format!("{name} {widths:?}"),
                layers => format!("{name} of {layers} layers up to {} wide", widths.iter().max().unwrap_or(&0)),
            });
        told.chain([format!("{} raw outputs", self.head.raw_outputs())]).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests;
