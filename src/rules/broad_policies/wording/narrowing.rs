//! What people read of a policy of which only a part is used, and of what would do instead of it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Carriers, about, advice, controls, some_between, some_of, steps};
use crate::model::{Finding, FindingId, FindingStatus, Severity, counted};
use crate::rules::broad_policies::RULE;
use crate::rules::broad_policies::narrowing::{Form, Narrowed, Unproposed};
use crate::rules::broad_policies::view::{Policy, View};
use crate::rules::unused_permissions::days;
use crate::rules::{Context, Judgement};

/// A finding on a policy of which only a part is used.
fn about_part(
    view: &View<'_>,
    policy: &Policy<'_>,
    carriers: &Carriers<'_, '_>,
    status: (FindingStatus, Severity),
    words: (String, String),
) -> Finding {
    let mut finding = about(view, policy, carriers, status, words);
    let account = &view.survey.ctx.snapshot.account;
    finding.id = FindingId::of(&RULE, account, &finding.resource, "partly_used");
    finding
}

/// A policy of AWS of which only a part is used.
pub(in crate::rules::broad_policies) fn partly_used(
    view: &View<'_>,
    policy: &Policy<'_>,
    narrowed: &Result<Narrowed, Unproposed>,
) -> Judgement {
    let carriers = Carriers::of(view, policy);
    let of = match narrowed {
        Ok(narrowed) => narrowed,
        Err(Unproposed::TooLarge(narrowed, _)) => narrowed,
        // Only what is proven is worded here.
        Err(Unproposed::Unknown(_) | Unproposed::Moot(_)) => &Narrowed::default(),
    };
    let title = match of.dropped_services.len() {
        0 => format!(
            "of the policy {} {} used",
            policy.name(),
            match of.dropped_actions.len() {
                1 => "1 action is not".to_owned(),
                n => format!("{n} actions are not"),
            }
        ),
        n => format!(
            "of the policy {} {} of {} services {} not used",
            policy.name(),
            n,
            n + of.in_use.len() + of.kept_without_evidence.len(),
            if n == 1 { "is" } else { "are" },
        ),
    };
    let detail = format!(
        "AWS wrote it for everybody, and adds to it at any time; {}",
        lower_first(&carriers.sentence())
    );
    let status = (FindingStatus::Violation, Severity::Low);
    let mut finding = about_part(view, policy, &carriers, status, (title, detail));
    propose(view, policy, &carriers, narrowed, &mut finding);
    controls(&mut finding, &[]);
    Judgement::bare(finding)
}

fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => String::new(),
    }
}

/// Policies of AWS of which nobody can say how much is used.
pub(in crate::rules::broad_policies) fn partly_unknown(
    ctx: &Context<'_>,
    policies: &BTreeMap<&str, String>,
) -> Judgement {
    let root = ctx.account_root();
    let mut finding = ctx.finding(&RULE, &root, "partly_used", FindingStatus::Unknown, Severity::Low);
    let names: Vec<_> = policies.keys().map(|name| (*name).to_owned()).collect();
    finding.title = format!(
        "cannot tell how much is used of {} of AWS: {}",
        counted(names.len(), "policy", "policies"),
        some_of(&names)
    );
    let reasons: Vec<_> = policies
        .iter()
        .map(|(name, why)| format!("{name}: {why}"))
        .collect();
    finding.detail = format!("{}.", some_between(&reasons, "; "));
    finding.evidence.insert("policies".to_owned(), json!(policies));
    controls(&mut finding, &[]);
    finding.owner = ctx.account_owner();
    Judgement::bare(finding)
}

/// Adds a narrower policy to a finding, or why there is none, and how to mend it.
pub(super) fn propose(
    view: &View<'_>,
    policy: &Policy<'_>,
    carriers: &Carriers<'_, '_>,
    narrowed: &Result<Narrowed, Unproposed>,
    finding: &mut Finding,
) {
    let why = narrowed.as_ref().err().map(Unproposed::why);
    let of = match narrowed {
        Ok(narrowed) => Some(narrowed),
        Err(Unproposed::TooLarge(narrowed, _)) => Some(narrowed.as_ref()),
        Err(Unproposed::Unknown(_) | Unproposed::Moot(_)) => None,
    };
    if let Some(of) = of {
        finding
            .evidence
            .insert("narrowing".to_owned(), narrowing_fact(of));
        finding.detail.push(' ');
        finding.detail.push_str(&used_sentence(view, of));
    }
    let steps = match (narrowed, why) {
        (Ok(narrowed), _) => {
            finding
                .evidence
                .insert("narrowed_policy".to_owned(), json!(narrowed.document));
            steps(policy, carriers, finding)
        }
        (Err(_), why) => {
            let why = why.unwrap_or_default();
            finding
                .evidence
                .insert("no_narrowed_policy".to_owned(), json!(why));
            format!("No narrower policy is proposed: {why}. {}", advice(policy))
        }
    };
    finding.detail.push(' ');
    finding.detail.push_str(&steps);
}

fn narrowing_fact(narrowed: &Narrowed) -> Value {
    let Narrowed {
        document: _,
        dropped_services,
        dropped_actions,
        in_use,
        kept_without_evidence,
        kept_for_others,
        of_unknown_age,
        form: _,
    } = narrowed;
    json!({
        "dropped_services": dropped_services,
        "dropped_actions": dropped_actions,
        "in_use": in_use,
        "kept_without_evidence": kept_without_evidence,
        "kept_for_services_in_use": kept_for_others,
        "attached_since_unknown": of_unknown_age,
    })
}

/// What of it is used, and what the narrowed policy rests on.
fn used_sentence(view: &View<'_>, narrowed: &Narrowed) -> String {
    let names: Vec<_> = narrowed
        .in_use
        .keys()
        .map(|service| view.survey.catalogue.name_of(service).to_owned())
        .collect();
    let unused_for = days(view.survey.terms.unused_for);
    let mut sentences = vec![format!(
        "Within {unused_for} {} of it {} used ({}), {} not, by what Access Advisor says of all who carry it.",
        counted(names.len(), "service", "services"),
        if names.len() == 1 { "was" } else { "were" },
        some_of(&names),
        narrowed.dropped_services.len()
    )];
    if !narrowed.dropped_actions.is_empty() {
        let names: Vec<_> = narrowed.dropped_actions.keys().cloned().collect();
        let was = if names.len() == 1 { "was" } else { "were" };
        sentences.push(format!("Nor {was} {}.", some_of(&names)));
    }
    if !narrowed.kept_without_evidence.is_empty() {
        let names: Vec<_> = narrowed.kept_without_evidence.iter().cloned().collect();
        sentences.push(format!(
            "It is silent about {}, which the narrowed policy keeps.",
            some_of(&names)
        ));
    }
    match narrowed.form {
        Form::Listed => {}
        Form::AllBut => sentences.push(
            "A list of all that stays would be too long, so it is written the other way round, as everything but what is \
             proven unused."
                .to_owned(),
        ),
    }
    if narrowed.of_unknown_age {
        sentences.push(format!(
            "Nobody knows for how long it has been carried: this assumes {unused_for} at least."
        ));
    }
    sentences.join(" ")
}
