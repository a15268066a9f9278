//! A narrower policy: what a document grants, less what nobody who carries it uses.
//!
//! Allow statements lose services that are proven unused, and actions that AWS tracks and nobody used; whatever else there is stays as it
//! stands. Deny statements, resources and conditions are never changed, `NotAction` is never rewritten into a list of
//! everything else, `iam:PassRole` is never dropped, nor what services in use may need besides. `*` becomes the list of services
//! that are in use or that nobody can say are not; where that is too long, it becomes everything but those proven unused.
//! `service:*` of a service in use stays whole, because what AWS does not track may be in use.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use crate::model::{ActionPattern, Actions, Effect, Glob, Statement};
use crate::rules::unused_permissions::Catalogue;

use super::usage::{State, Unknown, Use, check_ages};
use super::view::{Content, Policy, View};
use super::written::{Document, StatementText, counted_length};

/// The most characters that a managed policy may have.
const LARGEST: usize = 6_144;

/// The action that lets a role be passed to a service. AWS does not track it (D7).
const PASS_ROLE: (&str, &str) = ("iam", "PassRole");

/// A policy narrowed to what is in use.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Narrowed {
    /// The document: what is not changed in it stands as it stood, byte for byte.
    pub(super) document: String,
    /// Services of which nothing, or only what others need, is left, with their last use.
    pub(super) dropped_services: BTreeMap<String, Option<DateTime<Utc>>>,
    /// Single actions that are left out though their service is in use.
    pub(super) dropped_actions: BTreeMap<String, Option<DateTime<Utc>>>,
    /// Services in use.
    pub(super) in_use: BTreeMap<String, DateTime<Utc>>,
    /// What is kept because nobody can say whether it is in use: services as `service:*`, and patterns.
    pub(super) kept_without_evidence: BTreeSet<String>,
    /// Actions of unused services that are kept: services in use may need them.
    pub(super) kept_for_others: BTreeSet<String>,
    /// Whether nobody knows for how long the policy has been carried.
    pub(super) of_unknown_age: bool,
    /// How `*` is written.
    pub(super) form: Form,
}

/// What stands in place of `*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Form {
    /// The services that stay.
    #[default]
    Listed,
    /// All but those that go: of so many nobody can say that a list of what stays is too long.
    AllBut,
}

/// Why there is no narrower policy.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Unproposed {
    /// Nobody can say what is used.
    Unknown(Unknown),
    /// Nothing that it grants is used, or nothing can be left out.
    Moot(String),
    /// It would be too long; how it would be narrowed is known all the same.
    TooLarge(Box<Narrowed>, usize),
}

impl Unproposed {
    /// As a part of a sentence.
    pub(super) fn why(&self) -> String {
        match self {
            Self::Unknown(unknown) => unknown.why().to_owned(),
            Self::Moot(why) => why.clone(),
            Self::TooLarge(_, length) => format!(
                "the narrowed policy would have {length} characters, more than the {LARGEST} that a managed policy may have"
            ),
        }
    }
}

/// Whether reports could lead to a narrower policy at all.
pub(super) fn is_worth_reports(view: &View<'_>, policy: &Policy<'_>, content: &Content<'_>) -> bool {
    let has_list = content
        .document
        .allows()
        .any(|statement| matches!(statement.actions, Actions::Listed(_)));
    has_list && check_ages(view, policy).is_ok()
}

/// Whether a document names single actions: only of these can the use of actions tell anything.
pub(super) fn names_actions(content: &Content<'_>) -> bool {
    content
        .document
        .allows()
        .any(|statement| match &statement.actions {
            Actions::Listed(patterns) => patterns.iter().any(|pattern| match pattern {
                ActionPattern::Everything => false,
                ActionPattern::Of { action, .. } => is_literal(action),
            }),
            Actions::AllBut(_) => false,
        })
}

/// The policy, narrowed to what is in use.
///
/// # Errors
/// Why there is no narrower policy.
pub(super) fn narrow<'a>(
    view: &View<'a>,
    policy: &Policy<'a>,
    content: &Content<'a>,
) -> Result<Narrowed, Unproposed> {
    let usage = Use::of(view, policy).map_err(Unproposed::Unknown)?;
    match narrow_by(view, content, &usage, Form::Listed) {
        Err(Unproposed::TooLarge(listed, length)) => match narrow_by(view, content, &usage, Form::AllBut) {
            Ok(narrowed) => Ok(narrowed),
            Err(_) => Err(Unproposed::TooLarge(listed, length)),
        },
        narrowed => narrowed,
    }
}

fn narrow_by(
    view: &View<'_>,
    content: &Content<'_>,
    usage: &Use<'_>,
    form: Form,
) -> Result<Narrowed, Unproposed> {
    let moot = |why: &str| Err(Unproposed::Moot(why.to_owned()));
    let Ok(written) = Document::read(content.text) else {
        return moot("its document is not an object");
    };
    let mut narrowing = Narrowing {
        catalogue: view.survey.catalogue,
        needed: needed(usage, form, view.survey.catalogue),
        usage,
        narrowed: Narrowed {
            of_unknown_age: usage.of_unknown_age,
            form,
            ..Narrowed::default()
        },
    };
    let (mut kept, mut grants) = (Vec::new(), false);
    for (text, statement) in written.statements.iter().zip(&content.document.statements) {
        let left = narrowing.statement(text, statement);
        grants |= statement.effect == Effect::Allow && !left.is_empty();
        kept.extend(left);
    }
    let mut narrowed = narrowing.narrowed;
    if narrowed.dropped_services.is_empty() && narrowed.dropped_actions.is_empty() {
        return moot(match content.reach.is_open_ended() && names_nothing(content) {
            true => "it allows by `NotAction`, which is not rewritten into a list of everything else",
            false => "nothing that it grants is proven unused",
        });
    }
    if narrowed.in_use.is_empty() {
        return moot("none of the services that it grants is in use: decide whether it is needed at all");
    }
    // A policy without statements, or of Deny alone, is none to propose (A4).
    if !grants {
        return moot("nothing that it grants is in use: decide whether it is needed at all");
    }
    narrowed.document = written.with(&kept);
    match counted_length(&narrowed.document) {
        length if length > LARGEST => Err(Unproposed::TooLarge(Box::new(narrowed), length)),
        _ => Ok(narrowed),
    }
}

/// Whether no Allow statement lists actions.
fn names_nothing(content: &Content<'_>) -> bool {
    !content
        .document
        .allows()
        .any(|statement| matches!(statement.actions, Actions::Listed(_)))
}

/// What services in use may need of others, by service (D8), and the passing of roles (D7). Where Access Advisor is silent about
/// so many services that a list is too long, what these might need is not kept besides: it would be nearly everything.
fn needed(
    usage: &Use<'_>,
    form: Form,
    catalogue: &'static Catalogue,
) -> BTreeMap<String, BTreeSet<&'static str>> {
    let mut needed: BTreeMap<String, BTreeSet<&'static str>> = BTreeMap::new();
    let doubtful = match form {
        Form::Listed => Some(&usage.doubtful),
        Form::AllBut => None,
    };
    let besides = usage
        .used
        .iter()
        .chain(doubtful.into_iter().flatten())
        .flat_map(|parent| catalogue.needed_besides(parent));
    for (service, action) in besides.filter_map(|action| action.split_once(':')) {
        needed
            .entry(service.to_ascii_lowercase())
            .or_default()
            .insert(action);
    }
    needed
        .entry(PASS_ROLE.0.to_owned())
        .or_default()
        .insert(PASS_ROLE.1);
    needed
}

fn is_literal(action: &Glob) -> bool {
    !action.as_str().contains(['*', '?'])
}

struct Narrowing<'u, 'a> {
    catalogue: &'static Catalogue,
    usage: &'u Use<'a>,
    needed: BTreeMap<String, BTreeSet<&'static str>>,
    narrowed: Narrowed,
}

impl Narrowing<'_, '_> {
    /// What is left of a statement: nothing, one, or two. One of which nothing is dropped stays as it is.
    fn statement(&mut self, text: &str, statement: &Statement) -> Vec<String> {
        let listed = match (&statement.effect, &statement.actions) {
            (Effect::Allow, Actions::Listed(patterns)) => StatementText::read(text).ok().zip(Some(patterns)),
            (Effect::Allow | Effect::Deny, Actions::Listed(_) | Actions::AllBut(_)) => None,
        };
        listed
            .and_then(|(written, patterns)| self.list(written, patterns))
            .unwrap_or_else(|| vec![text.to_owned()])
    }

    /// What is left of a list; `None`: all of it.
    fn list(&mut self, written: StatementText, patterns: &[ActionPattern]) -> Option<Vec<String>> {
        let mut left = Vec::new();
        let mut is_whole = true;
        let mut all_but = false;
        for (text, pattern) in written.actions().into_iter().zip(patterns) {
            match self.pattern(pattern) {
                None => left.push(text),
                Some(instead) => {
                    is_whole = false;
                    left.extend(instead);
                }
            }
            all_but |= *pattern == ActionPattern::Everything && self.narrowed.form == Form::AllBut;
        }
        if is_whole {
            return None;
        }
        let left = without_repetition(left);
        let mut statements = Vec::new();
        if all_but {
            let services = self.narrowed.dropped_services.keys();
            let services: Vec<_> = services.map(|service| format!("{service}:*")).collect();
            statements.push(written.about("NotAction", &services));
        }
        if !left.is_empty() {
            let written = match all_but {
                true => written.unnamed(),
                false => written,
            };
            statements.push(written.about("Action", &left));
        }
        Some(statements)
    }

    /// What stands in place of a pattern; `None`: it stays as it is.
    fn pattern(&mut self, pattern: &ActionPattern) -> Option<Vec<String>> {
        match pattern {
            ActionPattern::Everything => Some(self.everything()),
            ActionPattern::Of { service, action } => {
                let known = self.catalogue.service(service);
                if known.and_then(|known| known.level_of(action)).is_none() {
                    // What the catalogue does not know may be anything (E5).
                    self.narrowed
                        .kept_without_evidence
                        .insert(format!("{service}:{action}"));
                    return None;
                }
                match self.note(service) {
                    State::Unused(last) => self.of_unused(service, action, last),
                    State::Used(_) if is_literal(action) => self.of_used(service, action),
                    State::Used(_) | State::Unknown => None,
                }
            }
        }
    }

    /// `*` as a list: services that are in use, or of which nobody can say that they are not, and what these need. In the
    /// other form only the latter: everything else is said by what is left out.
    fn everything(&mut self) -> Vec<String> {
        let mut services: BTreeSet<String> = self.catalogue.prefixes().map(str::to_owned).collect();
        services.extend(self.usage.reported().into_iter().map(str::to_owned));
        let mut left = Vec::new();
        for service in services {
            match self.note(&service) {
                State::Unused(last) => {
                    self.narrowed.dropped_services.insert(service.clone(), last);
                    left.extend(self.needed_of(&service, &Glob::new("*")));
                }
                State::Used(_) | State::Unknown => match self.narrowed.form {
                    Form::Listed => left.push(format!("{service}:*")),
                    Form::AllBut => {}
                },
            }
        }
        left
    }

    /// Of a service that is not in use, only what others need is left (A2).
    fn of_unused(
        &mut self,
        service: &str,
        action: &Glob,
        last: Option<DateTime<Utc>>,
    ) -> Option<Vec<String>> {
        let left = self.needed_of(service, action);
        let known = self.catalogue.service(service)?;
        let stands_for = known.names().filter(|name| action.matches(name)).count();
        if stands_for <= left.len() {
            return None;
        }
        self.narrowed.dropped_services.insert(service.to_owned(), last);
        Some(left)
    }

    /// Of a service in use, a single action is dropped where AWS tracks it, and nobody used it (A1).
    fn of_used(&mut self, service: &str, action: &Glob) -> Option<Vec<String>> {
        let name = action.as_str();
        let is_needed = self
            .needed
            .get(service)
            .is_some_and(|needed| needed.iter().any(|needed| needed.eq_ignore_ascii_case(name)));
        let last = self.usage.unused_action(service, name).filter(|_| !is_needed)?;
        self.narrowed
            .dropped_actions
            .insert(format!("{service}:{name}"), last);
        Some(Vec::new())
    }

    /// What others need of a service, as far as the pattern stands for it.
    fn needed_of(&mut self, service: &str, action: &Glob) -> Vec<String> {
        let needed = self.needed.get(service).into_iter().flatten();
        let left: Vec<_> = needed
            .filter(|name| action.matches(name))
            .map(|name| format!("{service}:{name}"))
            .collect();
        self.narrowed.kept_for_others.extend(left.iter().cloned());
        left
    }

    /// How it stands with a service, and remembers it.
    fn note(&mut self, service: &str) -> State {
        let state = self.usage.state(service);
        match state {
            State::Used(at) => {
                self.narrowed.in_use.insert(service.to_owned(), at);
            }
            State::Unknown => {
                self.narrowed.kept_without_evidence.insert(format!("{service}:*"));
            }
            State::Unused(_) => {}
        }
        state
    }
}

fn without_repetition(texts: Vec<String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    texts
        .into_iter()
        .filter(|text| seen.insert(text.to_ascii_lowercase()))
        .collect()
}
