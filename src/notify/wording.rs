//! What messages say. One function per kind of item; a channel only lays out and escapes what comes from here.
//!
//! The first line of an item says what happens to which thing, where, and on which date. Then come the reasons, the next
//! dates and how to undo it. What to do about it stands once below all items of an event.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde_json::Value;

use super::message::{
    ActionOutcome, ActionResult, Decided, ExemptionEnding, Item, Matter, Message, ReportDigest, RunFailure,
    Settled,
};
use super::text::Text;
use crate::model::{
    AccessKeyId, AccountId, Action, ActionId, ActionMode, Arn, Change, Event, Finding, Inverse, NoticeItem,
    PasswordPolicy, Severity, Verdict, WithheldReason,
};

/// A message in words.
pub(super) struct Page {
    /// The first item's first line, for previews.
    pub(super) headline: Text,
    /// How many items follow the first.
    pub(super) more: usize,
    pub(super) paragraphs: Vec<Paragraph>,
    pub(super) footer: Text,
}

/// Lines that belong together.
pub(super) enum Paragraph {
    /// One thing to tell.
    Item(Vec<Text>),
    /// What to do about the things before.
    Advice(Vec<Text>),
}

/// The message in words.
pub(super) fn write(message: &Message) -> Page {
    let mut paragraphs = Vec::new();
    for section in &message.sections {
        for item in &section.items {
            paragraphs.push(Paragraph::Item(write_item(message, section.event, item)));
        }
        let advice = advice(message, section.event, &section.items);
        if !advice.is_empty() {
            paragraphs.push(Paragraph::Advice(advice));
        }
    }
    let headline = paragraphs.iter().find_map(|paragraph| match paragraph {
        Paragraph::Item(lines) => lines.first().cloned(),
        Paragraph::Advice(_) => None,
    });
    Page {
        headline: headline.unwrap_or_default(),
        more: message.items().count().saturating_sub(1),
        paragraphs,
        footer: footer(message),
    }
}

fn write_item(message: &Message, event: Event, item: &Item) -> Vec<Text> {
    match item {
        Item::Matter(matter) => write_matter(message, event, matter),
        Item::Result(settled) => write_result(message, settled),
        Item::Decision(decided) => write_decision(message, decided),
        Item::Exemption(ending) => write_exemption(message, ending),
        Item::Failure(failure) => write_failure(message, failure),
        Item::Digest(digest) => write_digest(message, digest),
    }
}

/// A date as people read it, always in UTC.
pub(super) fn date(at: DateTime<Utc>) -> String {
    at.format("%a %d %b %Y %H:%M UTC").to_string()
}

fn day(day: NaiveDate) -> String {
    day.format("%a %d %b %Y").to_string()
}

/// How long still: in days, in hours below two days.
fn time_left(now: DateTime<Utc>, at: DateTime<Utc>) -> String {
    let left = at - now;
    let nearest = |unit: TimeDelta| (left.num_seconds() + unit.num_seconds() / 2) / unit.num_seconds();
    match nearest(TimeDelta::hours(1)) {
        i64::MIN..=0 => "now".to_owned(),
        1 => "1 hour left".to_owned(),
        hours @ 2..48 => format!("{hours} hours left"),
        _ => format!("{} days left", nearest(TimeDelta::days(1))),
    }
}

fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// The thing that a change is made to, as it reads in a sentence.
fn target(text: Text, message: &Message, account: &AccountId, resource: &Arn, change: &Change) -> Text {
    let place = message.account_label(account);
    match change {
        Change::DisableAccessKey { access_key_id } | Change::DeleteAccessKey { access_key_id } => {
            key(text, access_key_id, resource).say(" in ").say(&place)
        }
        Change::UpdatePasswordPolicy(_) => text.say("the account password policy of ").say(&place),
        Change::DetachPolicy { policy_arn } => {
            let text = text.say("policy ").code(policy_arn.name()).say(" on ");
            principal(text, resource).say(" in ").say(&place)
        }
    }
}

fn key(text: Text, id: &AccessKeyId, user: &Arn) -> Text {
    let text = text
        .say("access key ")
        .code(&format!("…{}", id.last_four()))
        .say(" of ");
    principal(text, user)
}

fn principal(text: Text, resource: &Arn) -> Text {
    match resource.principal_kind() {
        Some(kind) => text.say(kind.as_str()).say(" ").code(resource.name()),
        None => text.code(resource.resource()),
    }
}

/// What is done, in the imperative.
fn order(change: &Change) -> &'static str {
    match change {
        Change::DisableAccessKey { .. } => "disable ",
        Change::DeleteAccessKey { .. } => "delete ",
        Change::UpdatePasswordPolicy(_) => "change ",
        Change::DetachPolicy { .. } => "detach ",
    }
}

/// What is done, as a participle.
fn done(change: &Change) -> &'static str {
    match change {
        Change::DisableAccessKey { .. } => "disabled",
        Change::DeleteAccessKey { .. } => "deleted",
        Change::UpdatePasswordPolicy(_) => "changed",
        Change::DetachPolicy { .. } => "detached",
    }
}

/// What a matter is about. Where no action is planned yet its change is known from event and subject, and so is its id.
pub(super) struct Announcement<'a> {
    pub(super) account: &'a AccountId,
    pub(super) resource: &'a Arn,
    pub(super) change: Change,
    pub(super) id: ActionId,
    pub(super) at: Option<DateTime<Utc>>,
}

/// The change that a matter announces; `None` where it announces none.
pub(super) fn announced(event: Event, matter: &Matter) -> Option<Announcement<'_>> {
    let notice = matter.notices.first();
    if let Some(action) = matter.actions.first() {
        return Some(Announcement {
            account: &action.account,
            resource: &action.resource,
            change: action.change.clone(),
            id: action.id.clone(),
            at: notice.map(|n| n.announced_for).or(action.not_before),
        });
    }
    let finding = matter.findings.first()?;
    let change = match event {
        Event::AccessKeyExpiring => Change::DisableAccessKey {
            access_key_id: subject_key(notice, finding)?,
        },
        Event::AccessKeyDeleting => Change::DeleteAccessKey {
            access_key_id: subject_key(notice, finding)?,
        },
        Event::PermissionsUnused => Change::DetachPolicy {
            policy_arn: Arn::parse(&notice?.subject).ok()?,
        },
        Event::AccessKeyDisabled
        | Event::AccessKeyDeleted
        | Event::PasswordPolicyUpdated
        | Event::PermissionsDetached
        | Event::ActionFailed
        | Event::ActionRolledBack
        | Event::ApprovalRequested
        | Event::ApprovalDecided
        | Event::ExemptionExpiring
        | Event::RunFailed
        | Event::ReportDigest => return None,
    };
    Some(Announcement {
        account: &finding.account,
        resource: &finding.resource,
        id: ActionId::of(&finding.account, &finding.resource, &change),
        change,
        at: notice.map(|n| n.announced_for),
    })
}

fn subject_key(notice: Option<&NoticeItem>, finding: &Finding) -> Option<AccessKeyId> {
    let named = notice.map(|n| n.subject.as_str());
    let evident = || finding.evidence.get("access_key_id").and_then(Value::as_str);
    AccessKeyId::parse(named.or_else(evident)?).ok()
}

fn write_matter(message: &Message, event: Event, matter: &Matter) -> Vec<Text> {
    let Some(announcement) = announced(event, matter) else {
        return write_findings_only(message, matter);
    };
    let Announcement {
        account,
        resource,
        change,
        at,
        id: _,
    } = &announcement;
    let asked = event == Event::ApprovalRequested;
    let mut headline = if asked {
        let text = Text::new().strong("Approval needed").say(": ").say(order(change));
        target(text, message, account, resource, change)
    } else {
        capitalized(target(Text::new(), message, account, resource, change))
    };
    headline = match (asked, at) {
        (false, Some(at)) => headline
            .say(" ")
            .strong(&format!("will be {} on {}", done(change), date(*at)))
            .say(&format!(" ({})", time_left(message.created_at, *at))),
        (false, None) => headline
            .say(" ")
            .strong(&format!("is due to be {}", done(change))),
        (true, Some(at)) => headline.say(&format!(", not before {}", date(*at))),
        (true, None) => headline,
    };
    let mut lines = vec![headline];
    lines.extend(reasons(&matter.findings));
    lines.extend(last_use(change, &matter.findings));
    lines.extend(next_steps(message, event, &announcement));
    lines.extend(held_back(matter, asked));
    lines
}

/// For events that announce no change: the findings speak for themselves.
fn write_findings_only(message: &Message, matter: &Matter) -> Vec<Text> {
    let mut lines = Vec::new();
    for finding in &matter.findings {
        let text = Text::new().say(&finding.title).say(" (");
        let text = principal(text, &finding.resource)
            .say(" in ")
            .say(&message.account_label(&finding.account));
        lines.push(text.say(")"));
        if !finding.detail.is_empty() {
            lines.push(Text::new().say(&finding.detail));
        }
    }
    // A date announced of something that the findings do not hold is still said.
    for notice in &matter.notices {
        lines.push(
            Text::new()
                .code(&notice.subject)
                .say(": ")
                .strong(&date(notice.announced_for)),
        );
    }
    for action in &matter.actions {
        lines.push(Text::new().say("Action ").code(action.id.as_str()).say("."));
    }
    lines
}

fn capitalized(mut text: Text) -> Text {
    if let Some(first) = text.0.first_mut() {
        let mut letters = first.text.chars();
        if let Some(letter) = letters.next() {
            first.text = letter.to_uppercase().chain(letters).collect();
        }
    }
    text
}

fn reasons(findings: &[Finding]) -> Vec<Text> {
    let reason = |finding: &Finding| {
        let text = Text::new().say("Why: ").say(&finding.title).say(".");
        let text = match finding.detail.as_str() {
            "" => text,
            detail => text.say(" ").say(detail),
        };
        text.say(" (rule ").code(finding.rule.as_str()).say(")")
    };
    findings.iter().map(reason).collect()
}

/// Whether the key is still in use, from the finding's evidence.
fn last_use(change: &Change, findings: &[Finding]) -> Option<Text> {
    match change {
        Change::DisableAccessKey { .. } | Change::DeleteAccessKey { .. } => {}
        Change::UpdatePasswordPolicy(_) | Change::DetachPolicy { .. } => return None,
    }
    let evidence = &findings.first()?.evidence;
    let text = |name: &str| evidence.get(name).and_then(Value::as_str);
    let used = text("last_used")?;
    let line = Text::new().say("Last use: ");
    let Ok(at) = used.parse::<DateTime<Utc>>() else {
        return Some(match used {
            "never" => line.say("never."),
            "unknown" => line.say("not known; take it to be in use."),
            other => line.say(other).say("."),
        });
    };
    let line = line.strong(&date(at));
    let line = match (text("last_used_service"), text("last_used_region")) {
        (Some(service), Some(region)) => line.say(&format!(", {service} in {region}")),
        (Some(service), None) => line.say(&format!(", {service}")),
        (None, _) => line,
    };
    Some(line.say("."))
}

fn undo(text: Text, id: &ActionId) -> Text {
    text.code(&format!("iamwarden rollback --action {id}"))
}

fn next_steps(message: &Message, event: Event, announcement: &Announcement<'_>) -> Vec<Text> {
    let Announcement {
        account,
        resource,
        change,
        id,
        ..
    } = announcement;
    let action = Text::new().say("Action ").code(id.as_str()).say(". ");
    let mut lines = Vec::new();
    match (event, &message.plan) {
        (Event::ApprovalRequested, Some(plan)) => {
            let command = format!("iamwarden approve {} --action {id}", plan.id);
            lines.push(Text::new().say("To approve it: ").code(&command));
        }
        (Event::ApprovalRequested, None) => {
            let text = Text::new().say("To approve it, save a plan first: ");
            lines.push(text.code("iamwarden plan --save"));
        }
        _ => {}
    }
    lines.push(match change {
        Change::DeleteAccessKey { access_key_id } => {
            let disabling = Change::DisableAccessKey {
                access_key_id: access_key_id.clone(),
            };
            let text = action
                .say("Deleting cannot be undone. To keep the key, have it enabled again before that date: ");
            undo(text, &ActionId::of(account, resource, &disabling))
        }
        Change::DisableAccessKey { .. } | Change::UpdatePasswordPolicy(_) | Change::DetachPolicy { .. } => {
            undo(action.say("Once done, it can be undone: "), id)
        }
    });
    lines
}

/// What still stands in the way, beyond what the message itself says.
fn held_back(matter: &Matter, asked: bool) -> Option<Text> {
    let action = matter.actions.first()?;
    let reason = action.withheld_reason?;
    match reason {
        // The notice is this message.
        WithheldReason::Notice => {
            return (action.mode == ActionMode::Approve)
                .then(|| Text::new().say("It also waits for approval by a person."));
        }
        WithheldReason::Approval if asked => return None,
        WithheldReason::Approval
        | WithheldReason::Settling
        | WithheldReason::RolledBack
        | WithheldReason::WouldLockOut
        | WithheldReason::RecentlyUsed
        | WithheldReason::Unconfirmed
        | WithheldReason::NoChannel
        | WithheldReason::Freeze
        | WithheldReason::Window
        | WithheldReason::Guardrail => {}
    }
    let text = Text::new().say("Held back for now: ").say(reason.explanation());
    Some(match action.withheld_detail.as_deref() {
        Some(detail) => text.say(" (").say(detail).say(")."),
        None => text.say("."),
    })
}

fn write_result(message: &Message, settled: &Settled) -> Vec<Text> {
    let Settled { result, findings } = settled;
    let ActionResult {
        id,
        account,
        resource,
        change,
        inverse,
        attempt,
        at,
        outcome,
        owner: _,
        findings: _,
    } = result;
    let on = date(*at);
    let named = |text: Text| target(text, message, account, resource, change);
    let attempted = |word: &str| named(Text::new().strong(word).say(": ").say(order(change)));
    let action = || Text::new().say("Action ").code(id.as_str());
    let mut lines = Vec::new();
    match outcome {
        ActionOutcome::Applied => {
            let what = format!("was {} on {on}", done(change));
            lines.push(capitalized(named(Text::new())).say(" ").strong(&what));
            lines.extend(field_changes(change, inverse.as_ref()));
            lines.extend(reasons(findings));
            lines.push(match inverse {
                Some(_) => undo(action().say(". To undo it: "), id),
                None => action().say(". This cannot be undone."),
            });
        }
        ActionOutcome::Failed { detail } => {
            lines.push(attempted("Failed").say(&format!(", on {on} (attempt {attempt})")));
            lines.push(Text::new().say(detail));
            lines.push(action().say(". Nothing else depends on it; the next run looks at it afresh."));
        }
        ActionOutcome::Stale { detail } => {
            lines.push(attempted("Skipped").say(&format!(", on {on}: the world had moved since the plan")));
            lines.push(Text::new().say(detail));
            lines.push(action().say(". Nothing was changed; the next run looks at it afresh."));
        }
        ActionOutcome::RolledBack { by } => {
            let line = attempted("Rolled back");
            lines.push(
                line.say(", ")
                    .strong(&format!("undone on {on}"))
                    .say(" by ")
                    .say(by),
            );
            lines.extend(field_restorations(change, inverse.as_ref()));
            lines.push(action().say(". It stays withheld until a person approves it again."));
        }
        ActionOutcome::RollbackFailed { detail } => {
            lines.push(attempted("Rollback failed").say(&format!(", on {on} (attempt {attempt})")));
            lines.push(Text::new().say(detail));
            lines.push(undo(
                action().say(". The change still stands. To try again: "),
                id,
            ));
        }
    }
    lines
}

/// Old and new value of each field of the password policy that a change sets.
fn field_changes(change: &Change, inverse: Option<&Inverse>) -> Vec<Text> {
    match (change, policy_before(inverse)) {
        (Change::UpdatePasswordPolicy(new), Some(old)) => compare(&old, new),
        (Change::UpdatePasswordPolicy(_), None)
        | (
            Change::DisableAccessKey { .. } | Change::DeleteAccessKey { .. } | Change::DetachPolicy { .. },
            _,
        ) => Vec::new(),
    }
}

/// The same the other way round.
fn field_restorations(change: &Change, inverse: Option<&Inverse>) -> Vec<Text> {
    match (change, policy_before(inverse)) {
        (Change::UpdatePasswordPolicy(new), Some(old)) => compare(new, &old),
        (Change::UpdatePasswordPolicy(_), None)
        | (
            Change::DisableAccessKey { .. } | Change::DeleteAccessKey { .. } | Change::DetachPolicy { .. },
            _,
        ) => Vec::new(),
    }
}

fn policy_before(inverse: Option<&Inverse>) -> Option<PasswordPolicy> {
    match inverse? {
        Inverse::RestorePasswordPolicy(old) => Some(old.clone()),
        // There was none of its own: AWS's built-in one held.
        Inverse::DeletePasswordPolicy => Some(PasswordPolicy::aws_default()),
        Inverse::EnableAccessKey { .. } | Inverse::AttachPolicy { .. } => None,
    }
}

fn compare(from: &PasswordPolicy, to: &PasswordPolicy) -> Vec<Text> {
    from.fields()
        .into_iter()
        .zip(to.fields())
        .filter(|((_, old), (_, new))| old != new)
        .map(|((name, old), (_, new))| {
            let text = Text::new().say("• ").code(name).say(": ");
            text.say(&old).say(" → ").strong(&new)
        })
        .collect()
}

/// How many actions of a decision are listed.
const LISTED_ACTIONS: usize = 20;

fn write_decision(message: &Message, decided: &Decided) -> Vec<Text> {
    let Decided {
        plan,
        verdict,
        by,
        reason,
        at,
        actions,
    } = decided;
    let word = match verdict {
        Verdict::Approved => "Approved",
        Verdict::Rejected => "Rejected",
    };
    let mut accounts: Vec<_> = actions.iter().map(|action| &action.account).collect();
    accounts.sort();
    accounts.dedup();
    let scope = format!(
        ": {} in {} of plan ",
        count(actions.len(), "action", "actions"),
        count(accounts.len(), "account", "accounts"),
    );
    let headline = Text::new().strong(word).say(" by ").say(by);
    let mut lines = vec![
        headline
            .say(&format!(" on {}", date(*at)))
            .say(&scope)
            .code(&plan.id),
    ];
    if let Some(reason) = reason {
        lines.push(Text::new().say("Reason: ").say(reason));
    }
    for action in actions.iter().take(LISTED_ACTIONS) {
        let text = Text::new().say("• ").code(action.id.as_str()).say(": ");
        let text = text.say(order(&action.change));
        lines.push(target(
            text,
            message,
            &action.account,
            &action.resource,
            &action.change,
        ));
    }
    if actions.len() > LISTED_ACTIONS {
        let text = format!("… and {} more", actions.len() - LISTED_ACTIONS);
        lines.push(Text::new().say(&text));
    }
    lines.push(Text::new().say("Digest of the plan: ").code(plan.digest.as_str()));
    lines
}

fn write_exemption(message: &Message, ending: &ExemptionEnding) -> Vec<Text> {
    let exemption = &ending.exemption;
    let mut text = Text::new().say("The exemption of ");
    for (n, pattern) in exemption.principals.iter().take(10).enumerate() {
        text = text.say(if n > 0 { ", " } else { "" }).code(pattern.as_str());
    }
    text = text.say(" from ");
    for (n, rule) in exemption.rules.iter().take(10).enumerate() {
        text = text.say(if n > 0 { ", " } else { "" }).code(rule.as_str());
    }
    if let Some(accounts) = &exemption.accounts {
        let names: Vec<_> = accounts
            .iter()
            .take(10)
            .map(|id| message.account_label(id))
            .collect();
        text = text.say(" in ").say(&names.join(", "));
    }
    let until = day(exemption.until);
    let (headline, next) = if ending.has_ended() {
        (
            text.say(" ")
                .strong(&format!("ended on {until} and has no effect")),
            "It is ignored. Renew or remove its entry in the configuration.",
        )
    } else {
        (
            text.say(" ")
                .strong(&format!("ends on {until}, that day included")),
            "From the day after, the rules apply. Renew its entry in the configuration if it is still needed.",
        )
    };
    vec![
        headline,
        Text::new().say("Its reason: ").say(&exemption.reason),
        Text::new().say(next),
    ]
}

fn write_failure(message: &Message, failure: &RunFailure) -> Vec<Text> {
    let RunFailure {
        account,
        operation,
        resource,
        detail,
    } = failure;
    let headline = Text::new()
        .strong("Not read")
        .say(": ")
        .code(operation)
        .say(" in ");
    let mut headline = headline.say(&message.account_label(account));
    if let Some(resource) = resource {
        headline = principal(headline.say(", "), resource);
    }
    vec![
        headline,
        Text::new().say(detail),
        Text::new().say("Nothing is concluded from what is missing, and nothing was changed because of it."),
    ]
}

fn write_digest(message: &Message, digest: &ReportDigest) -> Vec<Text> {
    let ReportDigest {
        total,
        accounts,
        counts,
        top,
        content: _,
    } = digest;
    let place = match accounts.as_slice() {
        [one] => message.account_label(one),
        many => count(many.len(), "account", "accounts"),
    };
    let headline = Text::new().strong(&format!("Report: {}", count(*total, "finding", "findings")));
    let mut lines = vec![
        headline
            .say(" in ")
            .say(&place)
            .say(". These rules are in mode report: nothing is changed."),
    ];
    for line in counts {
        let text = Text::new().say("• ").code(line.rule.as_str());
        lines.push(text.say(&format!(": {} {}", line.count, line.severity.as_str())));
    }
    for finding in top {
        let mark = match finding.severity {
            Severity::Critical | Severity::High => "‼ ",
            Severity::Medium | Severity::Low => "– ",
        };
        let text = Text::new().say(mark).say(&finding.title).say(" (");
        let text = text.say(&message.account_label(&finding.account)).say(", ");
        lines.push(text.code(finding.id.as_str()).say(")"));
    }
    if top.len() < *total {
        lines.push(Text::new().say(&format!("… and {} more.", total - top.len())));
    }
    lines
}

/// What to do about all items of an event.
fn advice(message: &Message, event: Event, items: &[Item]) -> Vec<Text> {
    match event {
        Event::AccessKeyExpiring => rotation_steps(items),
        Event::AccessKeyDisabled => vec![Text::new().say(
            "If something stopped working, undo it as above, then make a second key, deploy it, and watch the old key's \
             last use before it is disabled again.",
        )],
        Event::PermissionsUnused => exemption_advice(items, "If the permissions are needed"),
        Event::AccessKeyDeleting => exemption_advice(items, "If the key must stay"),
        Event::ApprovalRequested => approval_advice(message, items),
        Event::ReportDigest => vec![Text::new().say("All of it: ").code("iamwarden plan")],
        Event::AccessKeyDeleted
        | Event::PasswordPolicyUpdated
        | Event::PermissionsDetached
        | Event::ActionFailed
        | Event::ActionRolledBack
        | Event::ApprovalDecided
        | Event::ExemptionExpiring
        | Event::RunFailed => Vec::new(),
    }
}

fn rotation_steps(items: &[Item]) -> Vec<Text> {
    let mut lines = vec![
        Text::new().strong("To mend it:"),
        Text::new()
            .say("1. Make a second key: ")
            .code("aws iam create-access-key --user-name NAME"),
        Text::new().say("2. Deploy it wherever the old one is used."),
        Text::new()
            .say("3. Watch the old key until it is no longer used: ")
            .code("aws iam get-access-key-last-used --access-key-id ID"),
        Text::new().say("4. Deactivate the old key, and delete it some days later."),
    ];
    lines.extend(exemption_advice(items, "If the key must stay"));
    lines
}

fn exemption_advice(items: &[Item], when: &str) -> Vec<Text> {
    let mut principals = Vec::new();
    let mut rules = Vec::new();
    for item in items {
        if let Item::Matter(matter) = item {
            for finding in &matter.findings {
                principals.push(finding.resource.resource().to_owned());
                rules.push(finding.rule.as_str().to_owned());
            }
        }
    }
    for list in [&mut principals, &mut rules] {
        list.sort();
        list.dedup();
        list.truncate(3);
    }
    let entry = format!("principals = {principals:?}, rules = {rules:?}, until, reason");
    let text = Text::new()
        .say(when)
        .say(", ask whoever runs iamwarden for an exemption (an entry in ")
        .code("[[exemptions]]")
        .say(" with ");
    vec![text.code(&entry).say(").")]
}

fn approval_advice(message: &Message, items: &[Item]) -> Vec<Text> {
    let actions: Vec<&Action> = items
        .iter()
        .filter_map(|item| match item {
            Item::Matter(matter) => Some(matter.actions.iter()),
            Item::Result(_) | Item::Decision(_) | Item::Exemption(_) | Item::Failure(_) | Item::Digest(_) => {
                None
            }
        })
        .flatten()
        .collect();
    let mut accounts: Vec<_> = actions.iter().map(|action| &action.account).collect();
    accounts.sort();
    accounts.dedup();
    let Some(plan) = &message.plan else {
        return Vec::new();
    };
    let summary = format!(
        "{} in {} named here. All that waits in plan ",
        count(actions.len(), "action", "actions"),
        count(accounts.len(), "account", "accounts"),
    );
    let text = Text::new().say(&summary).code(&plan.id).say(" (digest ");
    let text = text.code(plan.digest.as_str()).say("): ");
    vec![
        text.code(&format!("iamwarden approve {}", plan.id))
            .say(" or ")
            .code(&format!("iamwarden reject {}", plan.id)),
    ]
}

fn footer(message: &Message) -> Text {
    let text = match &message.owner {
        Some(owner) => Text::new().say("iamwarden for ").say(&owner.0),
        None => Text::new().say("iamwarden, for what has no owner of its own"),
    };
    let text = if message.copy { text.say(" (copy)") } else { text };
    let text = text.say(" · run ").code(&message.run);
    let text = match &message.part {
        Some(part) => text.say(&format!(" · part {} of {}", part.number, part.of)),
        None => text,
    };
    match &message.audit_head {
        Some(head) => text.say(" · audit chain ends at ").code(head.as_str()),
        None => text,
    }
}
