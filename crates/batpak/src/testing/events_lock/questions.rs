//! What a type asked while a value of it was made, and what it was answered.

use super::shape::Shape;
use serde::de;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

/// So many containers within each other are taken for a recursion that does not end.
const DEPTH_MAX: usize = 64;

/// How an option is called in a shape.
pub(super) const OPTIONAL: &str = "optional";

/// Which end of what is possible is answered first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extreme {
    /// The largest numbers, options with a value, lists with elements.
    Most,
    /// The smallest numbers, options without a value, empty lists.
    Least,
}

/// How to answer.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) extreme: Extreme,
    /// The variant at a path; the first one where nothing is said.
    pub(super) variants: BTreeMap<String, usize>,
    /// The answer to a question, by its path: which of those that are possible.
    pub(super) answers: BTreeMap<String, usize>,
    /// Fields that are another name of a field.
    pub(super) aliases: BTreeSet<String>,
}

/// One value being made.
#[derive(Debug)]
pub(super) struct Run<'p> {
    pub(super) plan: &'p Plan,
    pub(super) shape: Shape,
    /// Questions in their order, by their paths, and how many answers there are.
    pub(super) questions: Vec<(String, usize)>,
    /// Enums by their paths, and how many variants they have.
    pub(super) enums: BTreeMap<String, usize>,
    /// The containers that are being made, one within the other.
    pub(super) within: Vec<&'static str>,
}

impl<'p> Run<'p> {
    pub(super) fn new(plan: &'p Plan) -> Self {
        Self { plan, shape: Shape::new(), questions: Vec::new(), enums: BTreeMap::new(), within: Vec::new() }
    }

    /// Notes what stands at a path. What is behind an option stands at the same one.
    pub(super) fn note(&mut self, path: &str, text: &str) {
        match self.shape.get_mut(path) {
            Some(known) if known.ends_with(OPTIONAL) => {
                known.push(' ');
                known.push_str(text);
            }
            Some(_) => {}
            None => {
                self.shape.insert(path.to_owned(), text.to_owned());
            }
        }
    }

    /// Which of `count` answers to give to a question.
    pub(super) fn answer(&mut self, question: &str, count: usize) -> usize {
        if self.questions.iter().all(|(known, _)| known != question) {
            self.questions.push((question.to_owned(), count));
        }
        self.plan.answers.get(question).copied().unwrap_or(0).min(count.saturating_sub(1))
    }

    /// Whether the innermost container is within another of its name.
    pub(super) fn recurs(&self) -> bool {
        self.within.split_last().is_some_and(|(last, outer)| outer.contains(last))
    }

    pub(super) fn enter(&mut self, name: &'static str) -> Result<(), Fault> {
        self.within.push(name);
        if self.within.len() > DEPTH_MAX {
            return Err(de::Error::custom("it contains itself without end"));
        }
        Ok(())
    }

    pub(super) fn leave(&mut self) {
        self.within.pop();
    }
}

/// Why no value came of it.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{reason}")]
pub(super) struct Fault {
    pub(super) reason: String,
    pub(super) path: String,
    /// The field that was there already, if that is why.
    pub(super) repeated: Option<&'static str>,
    /// The name that is another one of that field, once it is known.
    pub(super) alias: Option<String>,
}

impl de::Error for Fault {
    fn custom<T: Display>(message: T) -> Self {
        Self { reason: message.to_string(), path: String::new(), repeated: None, alias: None }
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self { repeated: Some(field), ..Self::custom(format_args!("field `{field}` is there twice")) }
    }
}
