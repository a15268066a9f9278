//! The account as this rule sees it: every policy that somebody carries, parsed once.

use std::collections::{BTreeMap, BTreeSet};

use crate::inventory::{Authorization, ManagedPolicy};
use crate::model::{Arn, Effect, PolicyDocument};
use crate::rules::Context;
use crate::rules::unused_permissions::{Catalogue, Holder, Reach, Survey, Terms};

use super::access::{Entry, Place};
use super::breadth::Breadth;
use super::escalation::Steps;

/// Everything that the judgements share.
pub(super) struct View<'a> {
    pub(super) survey: Survey<'a>,
    pub(super) holders: Vec<Holder<'a>>,
    pub(super) policies: Vec<Policy<'a>>,
    /// Of each holder, which policies it carries itself, by their places in the two lists.
    carried: Vec<Vec<usize>>,
    boundaries: BTreeMap<&'a Arn, Steps>,
    /// Of each user, its groups.
    groups: BTreeMap<&'a Arn, Vec<usize>>,
}

/// Where a policy stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin<'a> {
    /// A policy of its own; `None`: AWS did not send it.
    Managed(&'a Arn, Option<&'a ManagedPolicy>),
    /// Inside its only carrier, by this name.
    Inline(&'a str),
}

/// A policy, and who carries it.
pub(super) struct Policy<'a> {
    pub(super) origin: Origin<'a>,
    /// Whose it is, by their places in the list of holders.
    pub(super) carriers: Vec<usize>,
    /// What it says, or why nobody knows.
    pub(super) content: Result<Content<'a>, String>,
}

/// What a policy says.
pub(super) struct Content<'a> {
    pub(super) text: &'a str,
    pub(super) document: PolicyDocument,
    pub(super) reach: Reach,
    pub(super) steps: Steps,
    pub(super) breadth: Breadth,
}

impl<'a> View<'a> {
    pub(super) fn new(ctx: Context<'a>, authorization: &'a Authorization) -> Self {
        let rules = &ctx.config.rules;
        let unused_for = rules.broad_policies.unused_for;
        let terms = Terms {
            unused_for,
            minimum_age: unused_for,
            trust_existing: rules.unused_permissions.trust_existing,
        };
        let survey = Survey::new(ctx, authorization, terms);
        let place = Place {
            partition: ctx.snapshot.partition.clone(),
            account: ctx.snapshot.account.clone(),
        };
        // The order of AWS's lists does not count.
        let mut holders = Holder::all(authorization, &ctx.snapshot.account);
        holders.sort_by(|a, b| a.arn.cmp(b.arn));
        for holder in &mut holders {
            holder.members.sort_by(|a, b| a.arn.cmp(&b.arn));
        }
        let mut groups: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (number, holder) in holders.iter().enumerate() {
            for member in &holder.members {
                groups.entry(&member.arn).or_default().push(number);
            }
        }
        let mut view = Self {
            groups,
            carried: vec![Vec::new(); holders.len()],
            survey,
            holders,
            policies: Vec::new(),
            boundaries: BTreeMap::new(),
        };
        view.add_policies(authorization, &place);
        view.add_boundaries(authorization, &place);
        view
    }

    fn add_policies(&mut self, authorization: &'a Authorization, place: &Place) {
        let mut managed: BTreeMap<&'a Arn, usize> = BTreeMap::new();
        for (place_of_holder, holder) in self.holders.iter().enumerate() {
            // What AWS or Identity Center hands out is changed there.
            if holder.arn.is_role_of_aws() {
                continue;
            }
            for attached in holder.attached {
                let number = *managed.entry(&attached.arn).or_insert_with(|| {
                    let policy = authorization.policies.get(&attached.arn);
                    let version = policy.and_then(ManagedPolicy::default_document);
                    let content = match version {
                        Some(version) => content(&version.document, place),
                        None => Err("AWS did not send its document".to_owned()),
                    };
                    self.policies.push(Policy {
                        origin: Origin::Managed(&attached.arn, policy),
                        carriers: Vec::new(),
                        content,
                    });
                    self.policies.len() - 1
                });
                if let Some(policy) = self.policies.get_mut(number) {
                    policy.carriers.push(place_of_holder);
                }
                self.carried[place_of_holder].push(number);
            }
            for inline in holder.inline {
                self.carried[place_of_holder].push(self.policies.len());
                self.policies.push(Policy {
                    origin: Origin::Inline(&inline.name),
                    carriers: vec![place_of_holder],
                    content: content(&inline.document, place),
                });
            }
        }
    }

    fn add_boundaries(&mut self, authorization: &'a Authorization, place: &Place) {
        let boundaries = self.holders.iter().filter_map(|holder| holder.boundary);
        for boundary in boundaries {
            let version = authorization
                .policies
                .get(boundary)
                .and_then(ManagedPolicy::default_document);
            if let Some(Ok(content)) = version.map(|version| content(&version.document, place)) {
                self.boundaries.insert(boundary, content.steps);
            }
        }
    }

    /// The policies that a holder carries itself.
    pub(super) fn carried_by(&self, holder: usize) -> impl Iterator<Item = &Policy<'a>> {
        let numbers = self.carried.get(holder).into_iter().flatten();
        numbers.filter_map(|number| self.policies.get(*number))
    }

    /// What the permissions boundary of a holder lets through; `None`: it has none, or nobody knows what it says.
    pub(super) fn boundary_of(&self, holder: &Holder<'a>) -> Option<&Steps> {
        self.boundaries.get(holder.boundary?)
    }

    /// The groups of a user, by their places in the list of holders.
    pub(super) fn groups_of(&self, user: &Holder<'a>) -> &[usize] {
        self.groups.get(user.arn).map(Vec::as_slice).unwrap_or_default()
    }

    /// Whose policies have a say in what the policy's use needs besides: who carries it, the members of those, and all
    /// groups of users among them. By their places in the list of holders.
    pub(super) fn concerned(&self, policy: &Policy<'a>) -> BTreeSet<usize> {
        let mut users: BTreeSet<&Arn> = BTreeSet::new();
        let mut concerned: BTreeSet<usize> = policy.carriers.iter().copied().collect();
        for holder in self.carriers(policy) {
            users.insert(holder.arn);
            users.extend(holder.members.iter().map(|member| &member.arn));
        }
        for (number, holder) in self.holders.iter().enumerate() {
            if users.contains(holder.arn) {
                concerned.insert(number);
                concerned.extend(self.groups_of(holder));
            }
        }
        concerned
    }

    /// Who carries the policy.
    pub(super) fn carriers(&self, policy: &Policy<'a>) -> impl Iterator<Item = &Holder<'a>> {
        policy
            .carriers
            .iter()
            .filter_map(|number| self.holders.get(*number))
    }
}

fn content<'a>(text: &'a str, place: &Place) -> Result<Content<'a>, String> {
    let document = PolicyDocument::parse(text).map_err(|error| error.to_string())?;
    let entries = Entry::of_document(&document).map_err(|error| error.to_string())?;
    let steps = Steps::of(&entries, place);
    let catalogue = Catalogue::compiled_in();
    let breadth = Breadth::of(&entries, &steps, place, catalogue);
    Ok(Content {
        text,
        reach: Reach::of(&document, catalogue),
        document,
        steps,
        breadth,
    })
}

impl<'a> Policy<'a> {
    /// Its name.
    pub(super) fn name(&self) -> &'a str {
        match self.origin {
            Origin::Managed(arn, policy) => policy.map_or_else(|| arn.name(), |policy| &policy.name),
            Origin::Inline(name) => name,
        }
    }

    /// Whether it belongs to AWS, and so cannot be edited.
    pub(super) fn is_of_aws(&self) -> bool {
        match self.origin {
            Origin::Managed(arn, _) => arn.account() == "aws",
            Origin::Inline(_) => false,
        }
    }

    /// Whether AWS made it for a service, and that service decides what is in it.
    pub(super) fn is_for_a_service(&self) -> bool {
        match self.origin {
            Origin::Managed(arn, _) => {
                let path = arn.resource();
                path.starts_with("policy/service-role/") || path.starts_with("policy/aws-service-role/")
            }
            Origin::Inline(_) => false,
        }
    }

    /// Whether it grants anything, as far as is known.
    pub(super) fn grants(&self) -> bool {
        match &self.content {
            Ok(content) => content
                .document
                .statements
                .iter()
                .any(|statement| statement.effect == Effect::Allow),
            Err(_) => true,
        }
    }
}
