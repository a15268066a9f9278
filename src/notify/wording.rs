//! What messages say. One function per kind of item; a channel only lays out and escapes what comes from here.
//!
//! The first line of an item says what happens to which thing, where, and on which date. Then come the reasons, the next
//! dates and how to undo it. What to do about it stands once below all items of an event.

mod matter;
mod outcome;
mod regional;
mod requests;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

pub(super) use self::matter::announced;
use self::matter::write_matter;
use self::outcome::{write_decision, write_result};
use self::requests::{write_dispute, write_report, write_request};
use super::message::{ExemptionEnding, Item, Message, ReportDigest, RunFailure};
use super::text::Text;
use crate::model::{
    AccessKeyId, AccountId, Action, ActionId, Arn, Change, ChangeKind, Event, Finding, Severity,
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
        Item::Request(requested) => write_request(message, requested),
        Item::Dispute(disputed) => write_dispute(message, disputed),
        Item::Report(standing) => write_report(message, standing),
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
        Change::RequireMfa(_) | Change::LiftMfaRequirement { .. } | Change::QuarantineRole(_) => {
            principal(text, resource).say(" in ").say(&place)
        }
        Change::DeleteLoginProfile {} => principal(text.say("the console password of "), resource)
            .say(" in ")
            .say(&place),
        Change::Regional(change) => regional::target(text, resource, change).say(" in ").say(&place),
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
    words(change.kind()).0
}

/// What is done, as a participle.
fn done(change: &Change) -> &'static str {
    words(change.kind()).1
}

/// The imperative, with the space before what it is done to, and the participle.
fn words(kind: ChangeKind) -> (&'static str, &'static str) {
    match kind {
        ChangeKind::DisableAccessKey => ("disable ", "disabled"),
        ChangeKind::DeleteAccessKey | ChangeKind::DeleteLoginProfile => ("delete ", "deleted"),
        ChangeKind::UpdatePasswordPolicy => ("change ", "changed"),
        ChangeKind::DetachPolicy => ("detach ", "detached"),
        ChangeKind::RequireMfa => ("require MFA of ", "required to use MFA"),
        ChangeKind::LiftMfaRequirement => (
            "lift the MFA requirement of ",
            "released from the MFA requirement",
        ),
        ChangeKind::QuarantineRole => ("quarantine ", "quarantined"),
        ChangeKind::StartLogging => ("start ", "started"),
        ChangeKind::UpdateTrail => ("change ", "changed"),
        ChangeKind::CreateTrail
        | ChangeKind::PutMetricFilter
        | ChangeKind::PutMetricAlarm
        | ChangeKind::CreateAnalyzer => ("make ", "made"),
        ChangeKind::AssociateInstanceProfile => ("give an instance profile to ", "given an instance profile"),
    }
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

fn undo(text: Text, id: &ActionId) -> Text {
    text.code(&format!("iamwarden rollback --action {id}"))
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
    let (renew, ended) = match &ending.granted {
        None => (
            "Renew its entry in the configuration if it is still needed.".to_owned(),
            "It is ignored. Renew or remove its entry in the configuration.".to_owned(),
        ),
        Some(granted) => (
            format!(
                "Ask for another if it is still needed ({} is this one).",
                granted.id
            ),
            format!(
                "The rules apply again. Ask for another if it is still needed ({} was this one).",
                granted.id
            ),
        ),
    };
    let (headline, next) = if ending.has_ended() {
        (
            text.say(" ")
                .strong(&format!("ended on {until} and has no effect")),
            ended,
        )
    } else {
        (
            text.say(" ")
                .strong(&format!("ends on {until}, that day included")),
            format!("From the day after, the rules apply. {renew}"),
        )
    };
    vec![
        headline,
        Text::new().say("Its reason: ").say(&exemption.reason),
        Text::new().say(&next),
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
    let place = account.as_ref().map_or_else(
        || "the account of the ambient credentials".to_owned(),
        |account| message.account_label(account),
    );
    let mut headline = headline.say(&place);
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
        Event::ReportDigest if items.iter().any(|item| matches!(item, Item::Report(_))) => Vec::new(),
        Event::ReportDigest => vec![Text::new().say("All of it: ").code("iamwarden plan")],
        Event::MfaMissing => mfa_steps(items),
        Event::RoleUnused => exemption_advice(items, "If the role is needed"),
        Event::PasswordUnused => exemption_advice(items, "If the password is needed, sign in once, or"),
        Event::UserUnused => user_steps(items),
        Event::RootAccountAtRisk => root_steps(items),
        Event::ReviewOverdue => vec![
            Text::new()
                .strong("To mend it: ")
                .say("see what each holds and uses, take away what is not needed, then confirm it: "),
            Text::new().code("iamwarden explain NAME"),
            Text::new().code("iamwarden review confirm NAME --by YOU"),
        ],
        Event::RoleQuarantined => vec![Text::new().say(
            "The role may still be assumed, but everything is denied to it. If something stopped working, undo it as above.",
        )],
        Event::TrailAtRisk => regional::trail_steps(items),
        Event::MfaRequired => {
            let mut lines = vec![Text::new().say(
                "Console sessions without MFA may do nothing but enrol a device. Access keys are not affected. Once a device \
                 is active, the next run takes this off again.",
            )];
            lines.extend(enrolment_steps());
            lines
        }
        Event::AlarmMissing => regional::alarm_steps(items),
        Event::AnalyzerMissing => regional::analyzer_steps(items),
        Event::ExternalAccessFound => regional::external_access_steps(items),
        Event::InstanceAtRisk => regional::instance_steps(items),
        Event::InstanceChanged => regional::after_association(),
        Event::TrailChanged
        | Event::AlarmCreated
        | Event::AnalyzerCreated
        | Event::MfaRequirementLifted
        | Event::PasswordDeleted
        | Event::AccessKeyDeleted
        | Event::PasswordPolicyUpdated
        | Event::PermissionsDetached
        | Event::ActionFailed
        | Event::ActionRolledBack
        | Event::ApprovalDecided
        | Event::ExemptionExpiring
        | Event::ExemptionDecided
        | Event::OwnershipDisputed
        | Event::RunFailed => Vec::new(),
        Event::ExemptionRequested => requests::grant_advice(items),
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

fn mfa_steps(items: &[Item]) -> Vec<Text> {
    let mut lines = enrolment_steps();
    lines.extend(exemption_advice(items, "If the user cannot have a device"));
    lines
}

fn enrolment_steps() -> Vec<Text> {
    vec![
        Text::new().strong("To mend it:"),
        Text::new().say(
            "1. Sign in to the console as the user; open the name at the top right, Security credentials, Assign MFA device.",
        ),
        Text::new().say("2. Choose a passkey, a security key or an authenticator app, and follow the page to its end."),
        Text::new()
            .say("3. Sign out, and in again with the device. The next run sees it: ")
            .code("aws iam list-mfa-devices --user-name NAME"),
        Text::new()
            .say("If the console does not allow step 2, an administrator assigns the device: ")
            .code("aws iam enable-mfa-device --user-name NAME --serial-number ARN --authentication-code1 CODE --authentication-code2 NEXT-CODE"),
    ]
}

fn user_steps(items: &[Item]) -> Vec<Text> {
    let mut lines = vec![
        Text::new()
            .strong("To mend it: ")
            .say("if nobody needs the user, delete it (keys, password and policies first): "),
        Text::new().code("aws iam delete-user --user-name NAME"),
    ];
    lines.extend(exemption_advice(items, "If the user must stay"));
    lines
}

fn root_steps(items: &[Item]) -> Vec<Text> {
    let mut lines = vec![
        Text::new().strong("To mend it:"),
        Text::new().say(
            "1. Sign in as root (\"Root user\" on the sign-in page); open the name at the top right, Security credentials.",
        ),
        Text::new().say(
            "2. Multi-factor authentication: assign a hardware key or passkey, and a second one as a spare; then remove \
             virtual devices.",
        ),
        Text::new().say(
            "3. Access keys: give what uses one a role instead, deactivate the key, watch for a day, delete it. X.509 signing \
             certificates: delete them.",
        ),
        Text::new().say(
            "4. If root was used and nobody knows why: change its password, and look for the calls in CloudTrail: ",
        )
        .code("aws cloudtrail lookup-events --lookup-attributes AttributeKey=Username,AttributeValue=root"),
        Text::new().say("5. Sign out, and use root only for the few tasks that need it."),
        Text::new().say("iamwarden changes nothing here. This is said again as long as it stands."),
    ];
    lines.extend(exemption_advice(items, "If it must stay so for a time"));
    lines
}

/// By which an exemption names a resource.
fn pattern(resource: &Arn) -> &str {
    let path = resource.resource();
    let of_its_own = ["trail/", "log-group:", "instance/"];
    match resource.service() == "iam" || of_its_own.iter().any(|head| path.starts_with(head)) {
        true => path,
        false => resource.as_str(),
    }
}

fn exemption_advice(items: &[Item], when: &str) -> Vec<Text> {
    let mut principals = Vec::new();
    let mut rules = Vec::new();
    for item in items {
        if let Item::Matter(matter) = item {
            for finding in &matter.findings {
                principals.push(pattern(&finding.resource).to_owned());
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
            Item::Result(_)
            | Item::Decision(_)
            | Item::Exemption(_)
            | Item::Failure(_)
            | Item::Digest(_)
            | Item::Request(_)
            | Item::Dispute(_)
            | Item::Report(_) => None,
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
        Some(head) => text.say(" · audit chain ends at ").code(head),
        None => text,
    }
}
