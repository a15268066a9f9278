//! The plan on a terminal.

mod appendix;
mod scorecard;

use crate::model::{Action, ActionState, Arn, Finding, Severity, counted, instant, relative, visible};
use crate::plan::render::difference::Difference;
use crate::plan::render::outline::{
    AccountSection, Course, Entry, Outline, OwnerGroup, SameFindings, difference, proposed_difference,
};
use crate::plan::render::page::{Ink, Page, Piece, TextStyle};
use crate::plan::render::words::{
    gap_word, mode_word, reason_sentence, reason_word, resource_name, severity_mark, status_words,
};
use crate::plan::{AccountStatus, Plan};

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
    for account in outline.told() {
        section(&mut page, &outline, account);
    }
    if let Some(quiet) = outline.quiet() {
        page.rule();
        page.flow(0, &[(Ink::Plain, &quiet)]);
        page.blank();
    }
    scorecard::scorecards(&mut page, &outline);
    appendix::messages(&mut page, &outline);
    appendix::exemptions(&mut page, plan);
    appendix::calls(&mut page, &outline);
    appendix::next(&mut page, &outline);
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
    let id = format!(" · {} · ", account.id);
    if name != account.id.as_str() {
        pieces.push((Ink::Plain, &id));
    } else {
        pieces.push((Ink::Plain, " · "));
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
    let standing = account.standing();
    pieces.push((Ink::Faint, &standing));
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
    let count = format!(" · {}", counted(group.entries.len(), "finding", "findings"));
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
    let rule = format!(" · {}", visible(rule.as_str()));
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
                (Ink::Faint, &format!("answered by the change{rule}: ")),
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
            (Ink::Faint, ": nothing is done where something is unknown"),
        ],
    );
    for gap in &account.gaps {
        page.blank();
        let operation = visible(&gap.first.operation);
        let why = format!(" {}: {}", gap_word(gap.first.cause), visible(&gap.first.detail));
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
            &[(Ink::Strong, &resource), (Ink::Faint, &format!(" · {rule}"))],
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

#[cfg(test)]
mod tests;
