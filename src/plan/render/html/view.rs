//! What the template shows, as finished words.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::model::{
    Action, ActionState, Finding, FindingId, Notification, Owner, counted, instant, relative, relative_day,
    visible,
};
use crate::plan::render::difference::{Difference, Field};
use crate::plan::render::outline::{
    AccountSection, Course, Entry, Outline, OwnerGroup, SameFindings, SameGaps, difference,
    proposed_difference,
};
use crate::plan::render::steps;
use crate::plan::render::words::{
    exemption_word, gap_word, mode_word, reason_sentence, reason_word, resource_name, severity_mark,
    status_words,
};
use crate::plan::{AccountStatus, ExemptionState, Plan};

fn shown(text: &str) -> String {
    visible(text).into_owned()
}

/// A number of the summary.
pub(super) struct Tile {
    pub(super) key: &'static str,
    pub(super) label: &'static str,
    pub(super) count: usize,
    pub(super) number: String,
    pub(super) unit: String,
    pub(super) note: String,
}

/// The summary, and the calls to AWS.
pub(super) fn tiles(outline: &Outline<'_>) -> Vec<Tile> {
    let mut tiles: Vec<Tile> = outline
        .glance()
        .into_iter()
        .map(|line| {
            let (number, unit) = line.amount.split_once(' ').unwrap_or((&line.amount, ""));
            Tile {
                key: line.key,
                label: line.label,
                count: line.count,
                number: number.to_owned(),
                unit: unit.to_owned(),
                note: line.note.replace('_', " "),
            }
        })
        .collect();
    tiles.push(Tile {
        key: "calls",
        label: "AWS calls",
        count: outline.plan.api_calls.len(),
        number: outline.calls().to_string(),
        unit: String::new(),
        note: format!(
            "to read {}",
            counted(outline.accounts.len(), "account", "accounts")
        ),
    });
    tiles
}

/// Something to do next.
pub(super) struct Step {
    pub(super) text: String,
    pub(super) command: String,
}

impl Step {
    pub(super) fn of(step: steps::Step) -> Self {
        let lines: Vec<String> = step.command.iter().map(|line| shown(line)).collect();
        Self {
            text: shown(&step.text).replace('`', ""),
            command: lines.join(" \\\n    "),
        }
    }
}

/// Owners by short keys, so that no name stands in an attribute that a script compares.
pub(super) struct Owners<'a>(BTreeMap<Option<&'a Owner>, String>);

impl<'a> Owners<'a> {
    pub(super) fn of(plan: &'a Plan) -> Self {
        let mut owners: BTreeMap<_, _> = plan
            .findings
            .iter()
            .map(|f| (f.owner.as_ref(), String::new()))
            .collect();
        for (n, key) in owners.values_mut().enumerate() {
            *key = format!("o{n}");
        }
        Self(owners)
    }

    fn key(&self, owner: Option<&Owner>) -> String {
        self.0.get(&owner).cloned().unwrap_or_default()
    }

    pub(super) fn options(&self) -> Vec<(String, String)> {
        let owners = self.0.iter();
        owners
            .map(|(owner, key)| (key.clone(), owner_name(*owner)))
            .collect()
    }
}

fn owner_name(owner: Option<&Owner>) -> String {
    owner.map_or_else(|| "nobody".to_owned(), |owner| shown(&owner.0))
}

/// An account with all that was found in it.
pub(super) struct AccountView {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) status: &'static str,
    pub(super) status_key: &'static str,
    pub(super) principals: String,
    pub(super) owners: Vec<OwnerView>,
    pub(super) lists: Vec<ListView>,
}

/// The findings of one owner.
pub(super) struct OwnerView {
    pub(super) owner: String,
    pub(super) count: String,
    pub(super) cards: Vec<Card>,
}

/// One finding, or one action without its finding.
pub(super) struct Card {
    pub(super) id: String,
    pub(super) state: String,
    pub(super) state_key: &'static str,
    pub(super) severity: &'static str,
    pub(super) mark: &'static str,
    pub(super) rule: String,
    pub(super) title: String,
    pub(super) resource: String,
    pub(super) arn: String,
    pub(super) detail: String,
    pub(super) owner_key: String,
    pub(super) changes: Vec<ChangeView>,
    pub(super) answered_by: Vec<String>,
    pub(super) evidence: Vec<(String, String)>,
}

/// A change with its state.
pub(super) struct ChangeView {
    pub(super) difference: Difference,
    pub(super) key: &'static str,
    pub(super) sentence: String,
    pub(super) irreversible: bool,
    pub(super) id: Option<String>,
}

/// Findings that are told in groups: unknown, or left alone.
pub(super) struct ListView {
    pub(super) key: &'static str,
    pub(super) title: &'static str,
    pub(super) note: &'static str,
    pub(super) groups: Vec<GroupView>,
}

/// Findings, or failed readings, of one cause.
pub(super) struct GroupView {
    pub(super) what: String,
    pub(super) chip: String,
    pub(super) why: String,
    pub(super) resources: Vec<String>,
    pub(super) items: Vec<ItemView>,
}

/// One finding of a group.
pub(super) struct ItemView {
    pub(super) id: String,
    pub(super) severity: &'static str,
    pub(super) owner_key: String,
    pub(super) owner: String,
    pub(super) resource: String,
    pub(super) arn: String,
    pub(super) title: String,
    pub(super) evidence: Vec<(String, String)>,
}

impl AccountView {
    pub(super) fn of(outline: &Outline<'_>, account: &AccountSection<'_>, owners: &Owners<'_>) -> Self {
        let mut groups: Vec<OwnerView> = account
            .owners
            .iter()
            .map(|group| owner_view(outline, account, group, owners))
            .collect();
        if !account.strays.is_empty() {
            groups.push(OwnerView {
                owner: "Changes whose finding is not in this plan".to_owned(),
                count: String::new(),
                cards: account
                    .strays
                    .iter()
                    .map(|action| stray(outline, account, action))
                    .collect(),
            });
        }
        let counts = account.summary.map(|summary| summary.principals);
        Self {
            id: account.id.to_string(),
            name: shown(account.name()),
            status: account
                .summary
                .map_or("not listed in the plan", |summary| status_words(summary.status)),
            status_key: match account.summary.map(|summary| summary.status) {
                Some(AccountStatus::Complete) => "complete",
                Some(AccountStatus::Partial) => "partial",
                Some(AccountStatus::Failed) | None => "failed",
            },
            principals: counts.map_or_else(String::new, |counts| {
                let users = counted(counts.users, "user", "users");
                let groups = counted(counts.groups, "group", "groups");
                let roles = counted(counts.roles, "role", "roles");
                format!("{users}, {groups}, {roles}{}", account.standing())
            }),
            owners: groups,
            lists: lists(account, owners),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.owners.is_empty() && self.lists.is_empty()
    }
}

fn lists(account: &AccountSection<'_>, owners: &Owners<'_>) -> Vec<ListView> {
    let mut unknown: Vec<GroupView> = account.gaps.iter().map(|gaps| gap_group(account, gaps)).collect();
    unknown.extend(
        account
            .unknown
            .iter()
            .map(|same| finding_group(account, same, owners)),
    );
    let exempt: Vec<GroupView> = account
        .exempt
        .iter()
        .map(|same| finding_group(account, same, owners))
        .collect();
    let all = [
        ListView {
            key: Course::Unknown.key(),
            title: "Unknown",
            note: "nothing is done where something is unknown",
            groups: unknown,
        },
        ListView {
            key: Course::Exempt.key(),
            title: "Left alone on purpose",
            note: "exempt, protected, or iamwarden itself",
            groups: exempt,
        },
    ];
    all.into_iter().filter(|list| !list.groups.is_empty()).collect()
}

fn gap_group(account: &AccountSection<'_>, gaps: &SameGaps<'_>) -> GroupView {
    GroupView {
        what: shown(&gaps.first.operation),
        chip: gap_word(gaps.first.cause).to_owned(),
        why: shown(&gaps.first.detail),
        resources: gaps
            .resources
            .iter()
            .map(|arn| shown(resource_name(arn, account.id)))
            .collect(),
        items: Vec::new(),
    }
}

fn finding_group(account: &AccountSection<'_>, same: &SameFindings<'_>, owners: &Owners<'_>) -> GroupView {
    GroupView {
        what: shown(same.first.rule.as_str()),
        chip: same.first.status.as_str().to_owned(),
        why: shown(&same.first.detail),
        resources: Vec::new(),
        items: same
            .findings
            .iter()
            .map(|finding| ItemView {
                id: shown(finding.id.as_str()),
                severity: finding.severity.as_str(),
                owner_key: owners.key(finding.owner.as_ref()),
                owner: owner_name(finding.owner.as_ref()),
                resource: shown(resource_name(&finding.resource, account.id)),
                arn: shown(finding.resource.as_str()),
                title: shown(&finding.title),
                evidence: facts(&finding.evidence),
            })
            .collect(),
    }
}

fn owner_view(
    outline: &Outline<'_>,
    account: &AccountSection<'_>,
    group: &OwnerGroup<'_>,
    owners: &Owners<'_>,
) -> OwnerView {
    let owner = match group.owner {
        Some(owner) => shown(&owner.0),
        None => "Nobody is known to own these".to_owned(),
    };
    OwnerView {
        owner,
        count: counted(group.entries.len(), "finding", "findings"),
        cards: group
            .entries
            .iter()
            .map(|entry| card(outline, account, entry, owners))
            .collect(),
    }
}

fn card(outline: &Outline<'_>, account: &AccountSection<'_>, entry: &Entry<'_>, owners: &Owners<'_>) -> Card {
    let finding: &Finding = entry.finding;
    let mut changes: Vec<ChangeView> = entry
        .actions
        .iter()
        .map(|action| change(outline, action))
        .collect();
    if let Some(difference) = proposed_difference(finding) {
        changes.push(ChangeView {
            difference: cleaned(difference),
            key: Course::ReportOnly.key(),
            sentence: "report only: this is what would mend it, and it will not be done".to_owned(),
            irreversible: finding
                .proposal
                .as_ref()
                .is_some_and(|proposal| proposal.inverse.is_none()),
            id: None,
        });
    }
    Card {
        id: shown(finding.id.as_str()),
        state: state(
            entry.course,
            entry.actions.first().or(entry.answered_by.first()).copied(),
        ),
        state_key: entry.course.key(),
        severity: finding.severity.as_str(),
        mark: severity_mark(finding.severity),
        rule: shown(finding.rule.as_str()),
        title: shown(&finding.title),
        resource: shown(resource_name(&finding.resource, account.id)),
        arn: shown(finding.resource.as_str()),
        detail: shown(&finding.detail),
        owner_key: owners.key(finding.owner.as_ref()),
        changes,
        answered_by: entry
            .answered_by
            .iter()
            .map(|action| shown(action.id.as_str()))
            .collect(),
        evidence: facts(&finding.evidence),
    }
}

/// The course in a word or two, with what holds the change back.
fn state(course: Course, action: Option<&Action>) -> String {
    match (course, action.and_then(|action| action.withheld_reason)) {
        (Course::HeldBack, Some(reason)) => {
            format!("{}: {}", course.label(), reason.as_str().replace('_', " "))
        }
        (course, _) => course.label().to_owned(),
    }
}

fn stray(outline: &Outline<'_>, account: &AccountSection<'_>, action: &Action) -> Card {
    let course = match action.state {
        ActionState::Proposed => Course::Due,
        ActionState::Withheld => Course::HeldBack,
    };
    Card {
        id: shown(action.finding.as_str()),
        state: state(course, Some(action)),
        state_key: course.key(),
        severity: "",
        mark: "",
        rule: String::new(),
        title: "A change without its finding".to_owned(),
        resource: shown(resource_name(&action.resource, account.id)),
        arn: shown(action.resource.as_str()),
        detail: String::new(),
        owner_key: String::new(),
        changes: vec![change(outline, action)],
        answered_by: Vec::new(),
        evidence: Vec::new(),
    }
}

fn change(outline: &Outline<'_>, action: &Action) -> ChangeView {
    let mode = mode_word(action.mode);
    let date = action.not_before.map_or_else(String::new, |at| {
        format!(
            " Not before {}, {}.",
            instant(at),
            relative(outline.plan.created_at, at)
        )
    });
    let (key, state) = match action.state {
        ActionState::Proposed => (Course::Due.key(), "due now".to_owned()),
        ActionState::Withheld => {
            let word = reason_word(action.withheld_reason).replace('_', " ");
            (
                Course::HeldBack.key(),
                format!("held back ({word}): {}", shown(&reason_sentence(action))),
            )
        }
    };
    ChangeView {
        difference: cleaned(difference(action)),
        key,
        sentence: format!("{state}. Mode {mode}.{date}"),
        irreversible: !action.reversible,
        id: Some(shown(action.id.as_str())),
    }
}

/// A difference whose values are safe to look at; the status of a key is whatever word AWS sent.
pub(super) fn cleaned(difference: Difference) -> Difference {
    let field = |field: Field| Field {
        name: shown(&field.name),
        before: shown(&field.before),
        after: shown(&field.after),
    };
    Difference {
        subject: shown(&difference.subject),
        changed: difference.changed.into_iter().map(field).collect(),
        ..difference
    }
}

fn facts(evidence: &Map<String, Value>) -> Vec<(String, String)> {
    let fact = |(name, value): (&String, &Value)| {
        let value = match value {
            Value::String(text) => shown(text),
            Value::Null => "none".to_owned(),
            Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                shown(&value.to_string())
            }
        };
        (shown(name).replace('_', " "), value)
    };
    evidence.iter().map(fact).collect()
}

/// A message to be sent.
pub(super) struct MessageView {
    pub(super) to: String,
    pub(super) channel: Option<String>,
    pub(super) event: &'static str,
    pub(super) about: Vec<String>,
}

/// Who will be told of what.
pub(super) fn messages(outline: &Outline<'_>) -> Vec<MessageView> {
    let plan = outline.plan;
    let name = |id: &FindingId| match outline.finding(id) {
        Some(finding) => shown(resource_name(&finding.resource, &finding.account)),
        None => shown(id.as_str()),
    };
    let about = |message: &Notification| -> Vec<String> {
        if message.notices.is_empty() {
            return message.findings.iter().map(name).collect();
        }
        let notices = outline.notices(message).into_iter();
        notices
            .map(|notice| {
                let when = relative(plan.created_at, notice.announced_for);
                let date = instant(notice.announced_for);
                format!(
                    "{} {}: {date}, {when}",
                    name(&notice.finding),
                    shown(&notice.subject)
                )
            })
            .collect()
    };
    plan.notifications
        .iter()
        .map(|message| MessageView {
            to: message
                .to
                .as_ref()
                .map_or_else(|| "no owner".to_owned(), |owner| shown(&owner.0)),
            channel: message.channel.as_deref().map(shown),
            event: message.event.as_str(),
            about: about(message),
        })
        .collect()
}

/// An exemption of the configuration.
pub(super) struct ExemptionView {
    pub(super) key: &'static str,
    pub(super) state: &'static str,
    pub(super) principals: String,
    pub(super) rules: String,
    pub(super) until: String,
    pub(super) when: String,
    pub(super) reason: String,
}

/// The exemptions; what has ended first.
pub(super) fn exemptions(plan: &Plan) -> Vec<ExemptionView> {
    let mut exemptions: Vec<_> = plan.exemptions.iter().collect();
    exemptions.sort_by_key(|exemption| exemption.until);
    exemptions
        .into_iter()
        .map(|exemption| {
            let principals: Vec<_> = exemption
                .principals
                .iter()
                .map(|glob| shown(glob.as_str()))
                .collect();
            let rules: Vec<_> = exemption.rules.iter().map(|rule| shown(rule.as_str())).collect();
            ExemptionView {
                key: exemption_word(exemption.state),
                state: match exemption.state {
                    ExemptionState::Expired => "EXPIRED: no effect",
                    ExemptionState::Active | ExemptionState::Expiring => exemption_word(exemption.state),
                },
                principals: principals.join(", "),
                rules: rules.join(", "),
                until: exemption.until.to_string(),
                when: relative_day(plan.created_at, exemption.until),
                reason: shown(&exemption.reason),
            }
        })
        .collect()
}
