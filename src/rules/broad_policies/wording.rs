//! What people read of a broad policy: what is wrong with it, who carries it, and how to mend it.

use serde_json::{Value, json};

use crate::model::{Finding, FindingStatus, Owner, PrincipalKind, Severity, counted};
use crate::rules::judgement::note_standing;
use crate::rules::unused_permissions::{Holder, is_subject};
use crate::rules::{CONTROLS_FACT, Context, Judgement, Standing};

mod narrowing;

pub(super) use self::narrowing::{partly_unknown, partly_used};

use self::narrowing::propose;
use super::RULE;
use super::access::Strength;
use super::breadth::Breadth;
use super::escalation::Path;
use super::narrowing::{Narrowed, Unproposed};
use super::view::{Content, Origin, Policy, View};

/// So many things are named in a sentence; the evidence has them all.
const SHOWN: usize = 4;

/// The policy that recommendation 1.22 names.
const CLOUD_SHELL: &str = "AWSCloudShellFullAccess";

/// Names the recommendations that a finding speaks of.
fn controls(finding: &mut Finding, numbers: &[&str]) {
    finding.evidence.insert(CONTROLS_FACT.to_owned(), json!(numbers));
}

/// The first few, and how many more there are.
fn some_of(names: &[String]) -> String {
    some_between(names, ", ")
}

fn some_between(names: &[String], separator: &str) -> String {
    let shown: Vec<_> = names.iter().take(SHOWN).map(String::as_str).collect();
    match names.len().saturating_sub(SHOWN) {
        0 => shown.join(separator),
        more => format!("{}{separator}and {more} more", shown.join(separator)),
    }
}

fn kind_and_name(holder: &Holder<'_>) -> String {
    format!("the {} {}", holder.kind, holder.name)
}

/// Who carries a policy, and whom of these the rule is about.
struct Carriers<'v, 'a> {
    subjects: Vec<&'v Holder<'a>>,
    spared: Vec<(&'v Holder<'a>, Standing)>,
}

impl<'v, 'a> Carriers<'v, 'a> {
    fn of(view: &'v View<'a>, policy: &Policy<'a>) -> Self {
        let mut carriers = Self {
            subjects: Vec::new(),
            spared: Vec::new(),
        };
        for holder in view.carriers(policy) {
            let (standing, _) = holder.standing(&view.survey.ctx, &RULE);
            match is_subject(&standing) {
                true => carriers.subjects.push(holder),
                false => carriers.spared.push((holder, standing)),
            }
        }
        carriers
    }

    /// Who answers for it: whoever answers for all of them, else the account.
    fn owner(&self, ctx: &Context<'_>) -> Option<Owner> {
        let spared = self.spared.iter().map(|(holder, _)| *holder);
        let mut owners: Vec<_> = self
            .subjects
            .iter()
            .copied()
            .chain(spared)
            .map(|holder| holder.owner(ctx))
            .collect();
        owners.dedup();
        match owners.as_slice() {
            [one] => one.clone(),
            _ => ctx.account_owner(),
        }
    }

    fn sentence(&self) -> String {
        let names = |holders: &mut dyn Iterator<Item = &Holder<'_>>| -> Vec<_> {
            holders
                .map(|holder| match holder.kind {
                    PrincipalKind::Group => format!(
                        "{} ({})",
                        kind_and_name(holder),
                        counted(holder.members.len(), "member", "members")
                    ),
                    PrincipalKind::User | PrincipalKind::Role => kind_and_name(holder),
                })
                .collect()
        };
        let subjects = names(&mut self.subjects.iter().copied());
        let spared = names(&mut self.spared.iter().map(|(holder, _)| *holder));
        match (subjects.is_empty(), spared.is_empty()) {
            (_, true) => format!("It is carried by {}.", some_of(&subjects)),
            (true, false) => format!("It is carried by {} only.", some_of(&spared)),
            (false, false) => format!(
                "It is carried by {}, and by {}, which the rule leaves alone.",
                some_of(&subjects),
                some_of(&spared)
            ),
        }
    }
}

/// A finding on a policy: of itself where it is managed, of its carrier where it stands inside it.
fn about(
    view: &View<'_>,
    policy: &Policy<'_>,
    carriers: &Carriers<'_, '_>,
    (status, severity): (FindingStatus, Severity),
    (title, detail): (String, String),
) -> Finding {
    let ctx = &view.survey.ctx;
    let (resource, subject) = match policy.origin {
        Origin::Managed(arn, _) => (arn.clone(), "policy".to_owned()),
        Origin::Inline(name) => {
            let carrier = view.carriers(policy).next().map(|holder| holder.arn.clone());
            (
                carrier.unwrap_or_else(|| ctx.account_root()),
                format!("inline/{name}"),
            )
        }
    };
    let mut finding = ctx.finding(&RULE, &resource, &subject, status, severity);
    finding.title = title;
    finding.detail = detail;
    finding.owner = carriers.owner(ctx);
    let evidence = &mut finding.evidence;
    match policy.origin {
        Origin::Managed(arn, _) => evidence.insert("policy_arn".to_owned(), json!(arn)),
        Origin::Inline(name) => evidence.insert("inline_policy".to_owned(), json!(name)),
    };
    let arns: Vec<_> = carriers.subjects.iter().map(|holder| holder.arn).collect();
    evidence.insert("attached_to".to_owned(), json!(arns));
    if !carriers.spared.is_empty() {
        let arns: Vec<_> = carriers.spared.iter().map(|(holder, _)| holder.arn).collect();
        evidence.insert("left_alone".to_owned(), json!(arns));
    }
    finding
}

/// A policy that is too broad.
pub(super) fn broad(
    view: &View<'_>,
    policy: &Policy<'_>,
    content: &Content<'_>,
    narrowed: Option<&Result<Narrowed, Unproposed>>,
) -> Judgement {
    let breadth = &content.breadth;
    let carriers = Carriers::of(view, policy);
    let what = match policy.origin {
        Origin::Managed(..) => format!("the policy {}", policy.name()),
        Origin::Inline(name) => {
            let of = view
                .carriers(policy)
                .next()
                .map(kind_and_name)
                .unwrap_or_default();
            format!("the policy {name} inside {of}")
        }
    };
    let mut sentences = reasons(breadth);
    if content.document.has_deny() {
        sentences.push("It also denies, which does not certainly take that away.".to_owned());
    }
    sentences.push(carriers.sentence());
    let title = format!("{what} allows {}", headline(breadth));
    let mut finding = about(
        view,
        policy,
        &carriers,
        (FindingStatus::Violation, breadth.severity()),
        (title, sentences.join(" ")),
    );
    finding
        .evidence
        .insert("problems".to_owned(), Value::Array(problems(breadth)));
    if let Some(narrowed) = narrowed {
        propose(view, policy, &carriers, narrowed, &mut finding);
    }
    let full = (breadth.everything == Some(Strength::Plain)).then_some("1.16");
    let shell = (policy.is_of_aws() && policy.name() == CLOUD_SHELL).then_some("1.22");
    controls(&mut finding, &full.into_iter().chain(shell).collect::<Vec<_>>());
    if let ([], [(holder, standing), ..]) = (carriers.subjects.as_slice(), carriers.spared.as_slice()) {
        let who = match holder.kind {
            PrincipalKind::User => format!("The user {}", holder.name),
            PrincipalKind::Group => format!("The group {} (or a member of it)", holder.name),
            PrincipalKind::Role => format!("The role {}", holder.name),
        };
        note_standing(&mut finding, standing.clone(), &who);
    }
    Judgement::bare(finding)
}

/// What a title says that a policy allows: the gravest of it.
fn headline(breadth: &Breadth) -> String {
    let Breadth {
        everything,
        everything_but,
        services,
        paths,
    } = breadth;
    if everything.is_some() {
        return "everything on everything".to_owned();
    }
    if let Some((_, but)) = everything_but {
        let but: Vec<_> = but.iter().cloned().collect();
        return format!("everything on everything but {}", some_of(&but));
    }
    if !services.is_empty() {
        let all: Vec<_> = services.keys().map(|service| format!("{service}:*")).collect();
        return format!("{} on everything", some_of(&all));
    }
    let ways: Vec<_> = paths.iter().map(|(path, _)| path.name()).collect();
    match ways.as_slice() {
        [one] => format!("its holder to gain more permissions, by {one}"),
        [first, rest @ ..] => format!(
            "its holder to gain more permissions, by {first} and {}",
            counted(rest.len(), "more way", "more ways")
        ),
        [] => "too much".to_owned(),
    }
}

fn reasons(breadth: &Breadth) -> Vec<String> {
    let Breadth {
        everything,
        everything_but,
        services,
        paths,
    } = breadth;
    let mut sentences = Vec::new();
    if let Some(strength) = everything {
        sentences.push(format!(
            "Whoever carries it can do anything in the account, and give that to others{}.",
            under(*strength)
        ));
    }
    if let Some((strength, _)) = everything_but {
        sentences.push(format!(
            "Whoever carries it can do nearly anything in the account{}.",
            under(*strength)
        ));
    }
    if let Some(weakest) = services.values().min() {
        let all: Vec<_> = services.keys().map(|service| format!("{service}:*")).collect();
        sentences.push(format!(
            "It allows every action of a service on every resource ({}){}.",
            some_of(&all),
            under(*weakest)
        ));
    }
    if let Some(weakest) = paths.iter().map(|(_, strength)| *strength).min() {
        let ways: Vec<_> = paths
            .iter()
            .map(|(path, _)| format!("{} gives {}", path.name(), path.gain))
            .collect();
        sentences.push(format!(
            "It opens {} to more permissions{}: {}.",
            counted(paths.len(), "known path", "known paths"),
            under(weakest),
            some_between(&ways, "; ")
        ));
    }
    sentences
}

fn under(strength: Strength) -> &'static str {
    match strength {
        Strength::Plain => "",
        Strength::Conditional | Strength::Narrowed => ", under conditions",
    }
}

fn problems(breadth: &Breadth) -> Vec<Value> {
    let Breadth {
        everything,
        everything_but,
        services,
        paths,
    } = breadth;
    let conditional = |strength: Strength| strength > Strength::Plain;
    let all = everything.map(|s| json!({"kind": "everything", "conditional": conditional(s)}));
    let but = everything_but
        .as_ref()
        .map(|(s, but)| json!({"kind": "everything_but", "but": but, "conditional": conditional(*s)}));
    let services = services.iter().map(
        |(service, s)| json!({"kind": "whole_service", "service": service, "conditional": conditional(*s)}),
    );
    let all = all.into_iter().chain(but).chain(services);
    all.chain(paths.iter().map(path_fact)).collect()
}

fn path_fact((path, strength): &(&'static Path, Strength)) -> Value {
    let steps: Vec<_> = path.steps.iter().map(|(step, _)| *step).collect();
    json!({
        "kind": "escalation",
        "steps": steps,
        "gives": path.gain,
        "conditional": *strength > Strength::Plain,
    })
}

/// How to put the narrowed policy in place: the narrower one comes first, so that nobody is without.
fn steps(policy: &Policy<'_>, carriers: &Carriers<'_, '_>, finding: &Finding) -> String {
    let id = &finding.id;
    let take = format!(
        "To mend it: take the narrowed policy out of the plan and read it (`iamwarden plan --rule {RULE} --format json | jq -r \
         '.findings[] | select(.id == \"{id}\").evidence.narrowed_policy' > narrowed.json`)"
    );
    let name = policy.name();
    let attach = carriers.subjects.first().map(|holder| {
        let kind = holder.kind;
        let more = match carriers.subjects.len() {
            1 => "",
            _ => " and so on",
        };
        format!(
            "`aws iam attach-{kind}-policy --{kind}-name {}`{more}",
            holder.name
        )
    });
    let attach = attach.unwrap_or_default();
    let create = format!(
        "make it a policy of your own (`aws iam create-policy --policy-name {name}-narrowed --policy-document file://narrowed.json`), \
         attach that wherever this one is ({attach})"
    );
    match policy.origin {
        Origin::Managed(arn, managed)
            if arn.account() != "aws" && managed.is_some_and(|managed| managed.boundary_count == 0) =>
        {
            format!(
                "{take}, then make it the policy's next version (`aws iam create-policy-version --policy-arn {arn} --policy-document \
                 file://narrowed.json --set-as-default`); the version before stays, for going back."
            )
        }
        Origin::Managed(..) => format!("{take}, {create}, and only then detach this one."),
        Origin::Inline(_) => format!("{take}, {create}, and only then delete this one."),
    }
}

/// How to come to a narrower policy where none is proposed.
fn advice(policy: &Policy<'_>) -> String {
    let draft = "To mend it: name the actions and resources that are needed. A draft from what CloudTrail saw comes from \
                 `aws accessanalyzer start-policy-generation`";
    match policy.origin {
        Origin::Managed(..) => format!("{draft}; attach the narrower policy first, then detach this one."),
        Origin::Inline(_) => format!("{draft}; put it in place of this one."),
    }
}

/// A policy that nobody understands.
pub(super) fn unknown(view: &View<'_>, policy: &Policy<'_>, why: &str) -> Judgement {
    let carriers = Carriers::of(view, policy);
    let title = format!("cannot tell whether the policy {} is too broad", policy.name());
    let detail = format!(
        "What it allows is unknown: {why}. {} Nothing is concluded from it.",
        carriers.sentence()
    );
    let status = (FindingStatus::Unknown, Severity::Medium);
    let mut finding = about(view, policy, &carriers, status, (title, detail));
    controls(&mut finding, &["1.16"]);
    Judgement::bare(finding)
}

/// Paths that several policies of one holder together open.
pub(super) fn combination(view: &View<'_>, number: usize, paths: &[(&'static Path, Strength)]) -> Judgement {
    let ctx = &view.survey.ctx;
    let holder = &view.holders[number];
    let severity = match paths.iter().any(|(_, strength)| *strength == Strength::Plain) {
        true => Severity::High,
        false => Severity::Medium,
    };
    let mut finding = ctx.finding(
        &RULE,
        holder.arn,
        "escalation",
        FindingStatus::Violation,
        severity,
    );
    let ways: Vec<_> = paths.iter().map(|(path, _)| path.name()).collect();
    finding.title = format!(
        "{} can gain more permissions, by {}",
        kind_and_name(holder),
        some_of(&ways)
    );
    let gains: Vec<_> = paths.iter().map(|(path, _)| path.gain.to_owned()).collect();
    finding.detail = format!(
        "No single policy of it opens such a path, all of them together do: they give {}. To mend it: take one step of each path \
         out of the policy that grants it, or name the roles that may be passed in its `Resource`.",
        some_between(&gains, "; ")
    );
    controls(&mut finding, &[]);
    let facts = paths.iter().map(path_fact).collect();
    finding
        .evidence
        .insert("problems".to_owned(), Value::Array(facts));
    finding.owner = holder.owner(ctx);
    let (standing, _) = holder.standing(ctx, &RULE);
    note_standing(&mut finding, standing, "It");
    Judgement::bare(finding)
}

/// A user who has permissions other than through groups.
pub(super) fn attached_to_user(view: &View<'_>, holder: &Holder<'_>, policies: &[&Policy<'_>]) -> Judgement {
    let ctx = &view.survey.ctx;
    let mut finding = ctx.finding(
        &RULE,
        holder.arn,
        "attached",
        FindingStatus::Violation,
        Severity::Low,
    );
    let names: Vec<_> = policies.iter().map(|policy| policy.name().to_owned()).collect();
    finding.title = format!(
        "{} has {} of its own: {}",
        kind_and_name(holder),
        match policies.len() {
            1 => "a policy",
            _ => "policies",
        },
        some_of(&names)
    );
    finding.detail = format!(
        "Permissions given to single users are forgotten when they change teams. To mend it: put the user into a group that has what its \
         work needs (`aws iam create-group`, `aws iam attach-group-policy`, `aws iam add-user-to-group --user-name {name}`), then take away \
         what is its own (`aws iam detach-user-policy --user-name {name}`, `aws iam delete-user-policy --user-name {name}`).",
        name = holder.name
    );
    controls(&mut finding, &["1.15"]);
    let (mut attached, mut inline) = (Vec::new(), Vec::new());
    for policy in policies {
        match policy.origin {
            Origin::Managed(arn, _) => attached.push(json!(arn)),
            Origin::Inline(name) => inline.push(json!(name)),
        }
    }
    let evidence = &mut finding.evidence;
    evidence.insert("attached".to_owned(), Value::Array(attached));
    evidence.insert("inline".to_owned(), Value::Array(inline));
    finding.owner = holder.owner(ctx);
    let (standing, _) = holder.standing(ctx, &RULE);
    note_standing(&mut finding, standing, "It");
    Judgement::bare(finding)
}
