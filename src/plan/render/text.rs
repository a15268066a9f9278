//! The plan on a terminal.

use crate::model::{
    Action, ActionState, Arn, Finding, Notification, Severity, counted, instant, relative, relative_day,
    visible,
};
use crate::plan::render::difference::Difference;
use crate::plan::render::outline::{
    AccountSection, Course, Entry, Outline, OwnerGroup, SameFindings, difference, exemption_word, gap_word,
    mode_word, proposed_difference, reason_sentence, reason_word, resource_name, severity_mark, status_words,
};
use crate::plan::render::page::{Ink, Page, Piece, TextStyle};
use crate::plan::render::steps::steps;
use crate::plan::{AccountStatus, ExemptionState, Plan};

/// Where the words of an entry begin, behind its mark and severity.
const BODY: usize = 14;
/// How wide the labels in an entry are.
const LABEL: usize = 8;

/// The plan as text: what it comes to, each account and owner, messages, exemptions, what to do next. Everything is
/// listed; findings that say the same of several resources are said once.
pub fn text(plan: &Plan, style: &TextStyle) -> String {
    let outline = Outline::of(plan);
    let mut page = Page::new(style);
    head(&mut page, plan);
    glance(&mut page, &outline);
    for account in &outline.accounts {
        section(&mut page, &outline, account);
    }
    messages(&mut page, &outline);
    exemptions(&mut page, plan);
    calls(&mut page, &outline);
    next(&mut page, &outline);
    page.finish()
}

fn head(page: &mut Page, plan: &Plan) {
    page.flow(
        0,
        &[(Ink::Strong, "iamwarden plan "), (Ink::Code, &visible(&plan.id))],
    );
    let made = instant(plan.created_at);
    let changed = if plan.dry_run {
        "it changed nothing"
    } else {
        "made to be applied"
    };
    let digest = plan.config_digest.short(12);
    page.flow(
        0,
        &[(
            Ink::Faint,
            &format!("made {made}; {changed}; configuration {digest}"),
        )],
    );
    if let Some(mode) = &plan.as_if {
        let words = format!(
            "AS IF rules in `report` were in `{}`: cannot be applied",
            visible(mode)
        );
        page.flow(0, &[(Ink::Caution, &words)]);
    }
    page.blank();
}

fn glance(page: &mut Page, outline: &Outline<'_>) {
    for line in outline.glance() {
        let ink = if line.count == 0 {
            Ink::Faint
        } else {
            key_ink(line.key)
        };
        row(page, ink, line.label, &line.amount, &line.note);
    }
    let accounts = format!(
        "to read {}",
        counted(outline.accounts.len(), "account", "accounts")
    );
    row(
        page,
        Ink::Plain,
        "AWS calls",
        &outline.calls().to_string(),
        &accounts,
    );
    page.blank();
}

fn row(page: &mut Page, ink: Ink, label: &str, amount: &str, note: &str) {
    let label = format!("{label:<12} {amount:<14}");
    page.labelled(2, (ink, &label), label.len() + 1, &[(Ink::Faint, note)]);
}

fn key_ink(key: &str) -> Ink {
    let course = Course::ALL.into_iter().find(|course| course.key() == key);
    course.map_or(Ink::Plain, course_ink)
}

fn course_ink(course: Course) -> Ink {
    match course {
        Course::Due => Ink::Good,
        Course::HeldBack | Course::Warning => Ink::Caution,
        Course::ReportOnly | Course::ByHand => Ink::Strong,
        Course::Exempt => Ink::Faint,
        Course::Unknown => Ink::Doubt,
    }
}

fn section(page: &mut Page, outline: &Outline<'_>, account: &AccountSection<'_>) {
    page.rule();
    let name = visible(account.name()).into_owned();
    let status = match account.summary {
        Some(summary) => status_words(summary.status),
        None => "not listed in the plan",
    };
    let ink = match account.summary.map(|summary| summary.status) {
        Some(AccountStatus::Complete) => Ink::Plain,
        Some(AccountStatus::Partial) => Ink::Doubt,
        Some(AccountStatus::Failed) | None => Ink::Alarm,
    };
    let mut pieces = vec![(Ink::Strong, name.as_str())];
    let id = format!("  {}  ", account.id);
    if name != account.id.as_str() {
        pieces.push((Ink::Plain, &id));
    } else {
        pieces.push((Ink::Plain, " "));
    }
    pieces.push((ink, status));
    let principals = account.summary.map(|summary| {
        let counts = summary.principals;
        format!(
            ": {}, {}, {}",
            counted(counts.users, "user", "users"),
            counted(counts.groups, "group", "groups"),
            counted(counts.roles, "role", "roles")
        )
    });
    pieces.push((Ink::Faint, principals.as_deref().unwrap_or_default()));
    page.flow(0, &pieces);
    page.rule();
    for group in &account.owners {
        owner(page, outline, account, group);
    }
    strays(page, account);
    unknown(page, account);
    exempt(page, account);
    let empty = account.owners.is_empty() && account.strays.is_empty() && account.exempt.is_empty();
    if empty && account.unknown.is_empty() && account.gaps.is_empty() {
        page.flow(2, &[(Ink::Faint, "nothing found")]);
    }
    page.blank();
}

fn owner(page: &mut Page, outline: &Outline<'_>, account: &AccountSection<'_>, group: &OwnerGroup<'_>) {
    page.blank();
    let count = format!("  {}", counted(group.entries.len(), "finding", "findings"));
    match group.owner {
        Some(owner) => page.flow(0, &[(Ink::Strong, &visible(&owner.0)), (Ink::Faint, &count)]),
        None => page.flow(
            0,
            &[
                (Ink::Caution, "nobody is known to own these"),
                (Ink::Faint, &count),
            ],
        ),
    }
    for entry in &group.entries {
        finding(page, outline, account, entry);
    }
}

fn finding(page: &mut Page, outline: &Outline<'_>, account: &AccountSection<'_>, entry: &Entry<'_>) {
    let Finding {
        severity,
        resource,
        rule,
        title,
        detail,
        ..
    } = entry.finding;
    page.blank();
    let mark = format!("{} {}", severity_mark(*severity), severity.as_str());
    let resource = visible(resource_name(resource, account.id)).into_owned();
    let rule = format!("  {}", visible(rule.as_str()));
    page.labelled(
        2,
        (severity_ink(*severity), &mark),
        BODY - 2,
        &[(Ink::Strong, &resource), (Ink::Faint, &rule)],
    );
    page.flow(BODY, &[(Ink::Plain, &visible(title))]);
    page.flow(BODY, &[(Ink::Faint, &visible(detail))]);
    for change in &entry.actions {
        action(page, outline, change);
    }
    for other in &entry.answered_by {
        let rule = outline
            .finding(&other.finding)
            .map_or_else(String::new, |f| format!(" of {}", visible(f.rule.as_str())));
        label(
            page,
            "change",
            &[
                (Ink::Faint, &format!("the same as{rule}: ")),
                (Ink::Code, other.id.as_str()),
            ],
        );
    }
    if let Some(difference) = proposed_difference(entry.finding) {
        changes(page, "would", &difference);
    }
    let course = entry.course;
    match course {
        Course::Due | Course::HeldBack => {}
        Course::ReportOnly | Course::ByHand | Course::Warning | Course::Exempt | Course::Unknown => {
            let words = match course {
                Course::ReportOnly => "report only: nothing will be done",
                Course::ByHand => "to be mended by hand: iamwarden has no change for it",
                Course::Warning => "warning: nothing to do yet",
                Course::Due | Course::HeldBack | Course::Exempt | Course::Unknown => course.label(),
            };
            label(page, "state", &[(course_ink(course), words)]);
        }
    }
}

fn severity_ink(severity: Severity) -> Ink {
    match severity {
        Severity::Critical | Severity::High => Ink::Alarm,
        Severity::Medium => Ink::Caution,
        Severity::Low => Ink::Faint,
    }
}

fn label(page: &mut Page, label: &str, pieces: &[Piece<'_>]) {
    page.labelled(BODY, (Ink::Faint, label), LABEL, pieces);
}

fn action(page: &mut Page, outline: &Outline<'_>, action: &Action) {
    changes(page, "change", &difference(action));
    let mode = format!("; mode {}", mode_word(action.mode));
    let undo = if action.reversible {
        (Ink::Faint, "; can be undone")
    } else {
        (Ink::Alarm, "; CANNOT BE UNDONE")
    };
    match action.state {
        ActionState::Proposed => {
            label(
                page,
                "state",
                &[(Ink::Good, "due now"), (Ink::Faint, &mode), undo],
            );
        }
        ActionState::Withheld => {
            let why = format!("held back ({})", reason_word(action.withheld_reason));
            let sentence = reason_sentence(action);
            let sentence = format!(": {}", visible(&sentence));
            label(
                page,
                "state",
                &[
                    (Ink::Caution, &why),
                    (Ink::Plain, &sentence),
                    (Ink::Faint, &mode),
                    undo,
                ],
            );
        }
    }
    if let Some(not_before) = action.not_before {
        let now = outline.plan.created_at;
        let passed = if not_before <= now { " (passed)" } else { "" };
        let words = format!(
            "not before {}, {}{passed}",
            instant(not_before),
            relative(now, not_before)
        );
        label(page, "date", &[(Ink::Plain, &words)]);
    }
    let others: Vec<String> = action
        .also
        .iter()
        .map(|id| match outline.finding(id) {
            Some(finding) => visible(finding.rule.as_str()).into_owned(),
            None => visible(id.as_str()).into_owned(),
        })
        .collect();
    if !others.is_empty() {
        label(
            page,
            "also",
            &[(Ink::Faint, &format!("answers {}", others.join(", ")))],
        );
    }
    label(page, "id", &[(Ink::Code, &visible(action.id.as_str()))]);
}

fn changes(page: &mut Page, word: &str, difference: &Difference) {
    let Difference {
        verb,
        subject,
        changed,
        kept,
        remark,
    } = difference;
    if let (false, [field]) = (subject.is_empty(), changed.as_slice()) {
        let subject = format!(" {}", visible(subject));
        let (before, after) = (visible(&field.before), visible(&field.after));
        label(
            page,
            word,
            &[
                (Ink::Strong, verb),
                (Ink::Code, &subject),
                (Ink::Plain, "  "),
                (Ink::Plain, &before),
                (Ink::Faint, " → "),
                (Ink::Strong, &after),
            ],
        );
        return;
    }
    label(page, word, &[(Ink::Strong, verb)]);
    let widest = |of: fn(&super::difference::Field) -> &String| {
        changed
            .iter()
            .map(|field| of(field).chars().count())
            .max()
            .unwrap_or(0)
    };
    let (names, befores) = (widest(|f| &f.name), widest(|f| &f.before));
    for field in changed {
        let name = format!("{:<names$}  ", field.name);
        let before = format!("{:>befores$}", field.before);
        page.line(
            BODY + LABEL,
            &[
                (Ink::Plain, &name),
                (Ink::Plain, &before),
                (Ink::Faint, " → "),
                (Ink::Strong, &field.after),
            ],
        );
    }
    if !kept.is_empty() {
        let kept: Vec<String> = kept
            .iter()
            .map(|(name, value)| format!("{name} {value}"))
            .collect();
        page.flow(
            BODY + LABEL,
            &[(Ink::Faint, &format!("stays: {}", kept.join(", ")))],
        );
    }
    if let Some(remark) = remark {
        page.flow(BODY + LABEL, &[(Ink::Faint, remark)]);
    }
}

fn strays(page: &mut Page, account: &AccountSection<'_>) {
    if account.strays.is_empty() {
        return;
    }
    page.blank();
    page.flow(0, &[(Ink::Caution, "changes whose finding is not in this plan")]);
    for stray in &account.strays {
        page.blank();
        page.flow(
            BODY,
            &[(Ink::Strong, &visible(resource_name(&stray.resource, account.id)))],
        );
        changes(page, "change", &difference(stray));
        let state = match stray.state {
            ActionState::Proposed => "due now".to_owned(),
            ActionState::Withheld => format!("held back: {}", visible(&reason_sentence(stray))),
        };
        label(page, "state", &[(Ink::Plain, &state)]);
        label(page, "id", &[(Ink::Code, &visible(stray.id.as_str()))]);
    }
}

fn unknown(page: &mut Page, account: &AccountSection<'_>) {
    if account.gaps.is_empty() && account.unknown.is_empty() {
        return;
    }
    page.blank();
    page.flow(
        0,
        &[
            (Ink::Doubt, "unknown"),
            (Ink::Faint, "  nothing is done where something is unknown"),
        ],
    );
    for gap in &account.gaps {
        page.blank();
        let operation = visible(&gap.first.operation);
        let why = format!("  {}: {}", gap_word(gap.first.cause), visible(&gap.first.detail));
        page.labelled(
            2,
            (Ink::Doubt, "? reading"),
            BODY - 2,
            &[(Ink::Strong, &operation), (Ink::Plain, &why)],
        );
        resources(page, &gap.resources, account);
    }
    for same in &account.unknown {
        same_findings(page, same, account, (Ink::Doubt, "? verdict"));
    }
}

fn exempt(page: &mut Page, account: &AccountSection<'_>) {
    if account.exempt.is_empty() {
        return;
    }
    page.blank();
    page.flow(0, &[(Ink::Strong, "left alone on purpose")]);
    for same in &account.exempt {
        same_findings(page, same, account, (Ink::Faint, "- exempt"));
    }
}

fn same_findings(page: &mut Page, same: &SameFindings<'_>, account: &AccountSection<'_>, mark: Piece<'_>) {
    let Finding {
        resource,
        rule,
        title,
        detail,
        ..
    } = same.first;
    page.blank();
    let rule = visible(rule.as_str());
    if same.findings.len() == 1 {
        let resource = visible(resource_name(resource, account.id)).into_owned();
        page.labelled(
            2,
            mark,
            BODY - 2,
            &[(Ink::Strong, &resource), (Ink::Faint, &format!("  {rule}"))],
        );
        page.flow(BODY, &[(Ink::Plain, &visible(title))]);
        page.flow(BODY, &[(Ink::Faint, &visible(detail))]);
        return;
    }
    page.labelled(2, mark, BODY - 2, &[(Ink::Strong, &rule)]);
    page.flow(BODY, &[(Ink::Plain, &visible(detail))]);
    let all: Vec<&Arn> = same.findings.iter().map(|finding| &finding.resource).collect();
    resources(page, &all, account);
}

fn resources(page: &mut Page, all: &[&Arn], account: &AccountSection<'_>) {
    if all.is_empty() {
        return;
    }
    let names: Vec<_> = all
        .iter()
        .map(|arn| visible(resource_name(arn, account.id)))
        .collect();
    let count = if names.len() == 1 {
        String::new()
    } else {
        format!("{}: ", names.len())
    };
    page.flow(BODY, &[(Ink::Strong, &count), (Ink::Plain, &names.join(", "))]);
}

fn messages(page: &mut Page, outline: &Outline<'_>) {
    let plan = outline.plan;
    if plan.notifications.is_empty() {
        return;
    }
    page.rule();
    page.flow(0, &[(Ink::Strong, "who will be told")]);
    page.rule();
    for message in &plan.notifications {
        page.blank();
        message_head(page, message);
        if message.notices.is_empty() {
            told_of(page, outline, message);
        }
        for notice in &message.notices {
            let resource = outline.finding(&notice.finding).map_or_else(
                || visible(notice.finding.as_str()).into_owned(),
                |finding| visible(resource_name(&finding.resource, &finding.account)).into_owned(),
            );
            let when = relative(plan.created_at, notice.announced_for);
            let date = format!(": {}, {when}", instant(notice.announced_for));
            page.flow(
                4,
                &[
                    (Ink::Plain, &resource),
                    (Ink::Plain, " "),
                    (Ink::Code, &visible(&notice.subject)),
                    (Ink::Faint, &date),
                ],
            );
        }
    }
    page.blank();
}

fn message_head(page: &mut Page, message: &Notification) {
    let receiver = match &message.to {
        Some(owner) => visible(&owner.0).into_owned(),
        None => "whoever reads the channel".to_owned(),
    };
    let event = format!("  {}", message.event);
    match &message.channel {
        Some(channel) => {
            let channel = format!(" by {}", visible(channel));
            page.flow(
                2,
                &[
                    (Ink::Strong, &receiver),
                    (Ink::Plain, &channel),
                    (Ink::Faint, &event),
                ],
            );
        }
        None => page.flow(
            2,
            &[
                (Ink::Strong, &receiver),
                (Ink::Alarm, " NO CHANNEL: nothing is sent"),
                (Ink::Faint, &event),
            ],
        ),
    }
}

fn told_of(page: &mut Page, outline: &Outline<'_>, message: &Notification) {
    let subjects: Vec<String> = message
        .findings
        .iter()
        .map(|id| match outline.finding(id) {
            Some(finding) => {
                let resource = resource_name(&finding.resource, &finding.account);
                format!("{} ({})", visible(resource), visible(finding.rule.as_str()))
            }
            None => visible(id.as_str()).into_owned(),
        })
        .collect();
    page.flow(4, &[(Ink::Plain, &subjects.join(", "))]);
}

fn exemptions(page: &mut Page, plan: &Plan) {
    if plan.exemptions.is_empty() {
        return;
    }
    page.rule();
    page.flow(0, &[(Ink::Strong, "exemptions")]);
    page.rule();
    let mut exemptions: Vec<_> = plan.exemptions.iter().collect();
    exemptions.sort_by_key(|exemption| exemption.until);
    for exemption in exemptions {
        let (ink, word) = match exemption.state {
            ExemptionState::Expired => (Ink::Alarm, "EXPIRED"),
            ExemptionState::Expiring => (Ink::Caution, exemption_word(exemption.state)),
            ExemptionState::Active => (Ink::Plain, exemption_word(exemption.state)),
        };
        let principals: Vec<_> = exemption
            .principals
            .iter()
            .map(|glob| visible(glob.as_str()))
            .collect();
        let rules: Vec<_> = exemption
            .rules
            .iter()
            .map(|rule| visible(rule.as_str()))
            .collect();
        page.labelled(
            2,
            (ink, word),
            BODY - 2,
            &[
                (Ink::Strong, &principals.join(", ")),
                (Ink::Faint, &format!("  {}", rules.join(", "))),
            ],
        );
        let when = relative_day(plan.created_at, exemption.until);
        let last = match exemption.state {
            ExemptionState::Expired => {
                format!("last day {}, {when}: it has no effect any more", exemption.until)
            }
            ExemptionState::Active | ExemptionState::Expiring => {
                format!("last day {}, {when}", exemption.until)
            }
        };
        page.flow(
            BODY,
            &[
                (ink, &last),
                (Ink::Plain, "; "),
                (Ink::Faint, &visible(&exemption.reason)),
            ],
        );
    }
    page.blank();
}

fn calls(page: &mut Page, outline: &Outline<'_>) {
    if outline.plan.api_calls.is_empty() {
        return;
    }
    let calls: Vec<String> = outline
        .plan
        .api_calls
        .iter()
        .map(|(operation, count)| format!("{} {count}", visible(operation)))
        .collect();
    page.rule();
    page.flow(0, &[(Ink::Faint, &format!("AWS calls: {}", calls.join(", ")))]);
    page.blank();
}

fn next(page: &mut Page, outline: &Outline<'_>) {
    page.rule();
    page.flow(0, &[(Ink::Strong, "next")]);
    for step in steps(outline) {
        page.flow(2, &[(Ink::Plain, &visible(&step.text))]);
        let last = step.command.len().saturating_sub(1);
        for (n, line) in step.command.iter().enumerate() {
            // A command is never wrapped, so that it can be copied; many arguments go on lines that a shell joins.
            let indent = if n == 0 { 6 } else { 10 };
            let end = if n < last { " \\" } else { "" };
            page.line(indent, &[(Ink::Code, &visible(line)), (Ink::Plain, end)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::render::sample;

    const NARROW: TextStyle = TextStyle {
        width: 80,
        color: false,
    };

    #[test]
    fn the_whole_sample() {
        insta::assert_snapshot!(text(&sample::plan(), &TextStyle::default()), @"");
    }

    #[test]
    fn a_plan_that_found_nothing() {
        insta::assert_snapshot!(text(&sample::empty(), &NARROW), @"");
    }

    #[test]
    fn a_plan_that_knows_nothing() {
        insta::assert_snapshot!(text(&sample::all_unknown(), &NARROW), @"");
    }

    #[test]
    fn thousands_of_findings_are_all_listed() {
        let plan = sample::large(3000);
        let set = text(&plan, &NARROW);
        for action in &plan.actions {
            assert!(set.contains(action.id.as_str()));
        }
        assert!(set.contains("3000 changes"));
    }

    #[test]
    fn every_action_and_resource_is_there_and_fits_at_any_width() {
        let plan = sample::plan();
        for width in [80, 97, 120, 160] {
            let set = text(&plan, &TextStyle { width, color: false });
            for line in set.lines() {
                let columns = unicode_width::UnicodeWidthStr::width(line);
                assert!(
                    columns <= usize::from(width),
                    "{columns} columns at {width}: {line}"
                );
            }
            for action in &plan.actions {
                assert!(set.contains(action.id.as_str()), "{}", action.id);
                let reason = action
                    .withheld_reason
                    .map_or("due now", |reason| reason.explanation());
                let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
                assert!(words(&set).contains(reason), "{reason}");
            }
        }
    }

    #[test]
    fn names_cannot_speak_to_the_terminal() {
        for color in [false, true] {
            let set = text(&sample::plan(), &TextStyle { width: 120, color });
            assert!(set.contains("user/<script>alert(1)</script>|`@everyone\\u{202e}"));
            assert!(!set.contains('\u{202e}'));
            assert_eq!(set.contains('\u{1b}'), color);
            let mut plain = set.clone();
            for ink in ["1", "2", "1;31", "33", "32", "35", "36", "0"] {
                plain = plain.replace(&format!("\u{1b}[{ink}m"), "");
            }
            assert!(plain.chars().all(|c| c == '\n' || !c.is_control()));
            assert_eq!(
                plain,
                text(
                    &sample::plan(),
                    &TextStyle {
                        width: 120,
                        color: false
                    }
                )
            );
        }
    }

    #[test]
    fn an_action_without_its_finding_is_still_shown() {
        let mut plan = sample::plan();
        let action = plan.actions[0].clone();
        plan.findings.retain(|finding| finding.id != action.finding);
        let set = text(&plan, &NARROW);
        assert!(set.contains("changes whose finding is not in this plan"));
        assert!(set.contains(action.id.as_str()));
    }
}
