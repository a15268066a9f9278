//! The plan in the order in which people read it: what it comes to, then account by account, owner by owner.

use std::collections::{BTreeMap, BTreeSet};

use crate::inventory::Gap;
use crate::model::{
    AccountId, Action, ActionState, Arn, Finding, FindingId, FindingStatus, NoticeItem, Notification, Owner,
    counted,
};
use crate::plan::render::difference::{Before, Difference};
use crate::plan::{AccountStatus, AccountSummary, Plan};

/// What becomes of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Course {
    /// An `apply` now would mend it.
    Due,
    /// There is an action, held back for a reason.
    HeldBack,
    /// What would mend it is known, but the rule only reports.
    ReportOnly,
    /// It breaks the policy, and iamwarden has no change for it.
    ByHand,
    /// It deserves a look.
    Warning,
    /// It is left alone on purpose.
    Exempt,
    /// Nobody can tell.
    Unknown,
}

impl Course {
    /// Every course, in the order of reading.
    pub(super) const ALL: [Self; 7] = [
        Self::Due,
        Self::HeldBack,
        Self::ReportOnly,
        Self::ByHand,
        Self::Warning,
        Self::Exempt,
        Self::Unknown,
    ];

    /// The words for people.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Due => "due now",
            Self::HeldBack => "held back",
            Self::ReportOnly => "report only",
            Self::ByHand => "by hand",
            Self::Warning => "warning",
            Self::Exempt => "exempt",
            Self::Unknown => "unknown",
        }
    }

    /// The word for classes and filters.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::Due => "due",
            Self::HeldBack => "held",
            Self::ReportOnly => "report",
            Self::ByHand => "hand",
            Self::Warning => "warning",
            Self::Exempt => "exempt",
            Self::Unknown => "unknown",
        }
    }
}

/// A finding with what is to be done about it.
#[derive(Debug, Clone)]
pub(super) struct Entry<'a> {
    /// What was found.
    pub(super) finding: &'a Finding,
    /// What becomes of it.
    pub(super) course: Course,
    /// Its own actions.
    pub(super) actions: Vec<&'a Action>,
    /// Actions of another finding that answer this one too.
    pub(super) answered_by: Vec<&'a Action>,
}

/// The findings of one owner in one account.
#[derive(Debug, Clone)]
pub(super) struct OwnerGroup<'a> {
    /// `None`: nobody is known to own them.
    pub(super) owner: Option<&'a Owner>,
    /// The gravest first.
    pub(super) entries: Vec<Entry<'a>>,
}

/// Findings that say the same of several resources.
#[derive(Debug, Clone)]
pub(super) struct SameFindings<'a> {
    /// The first of them; rule and detail are those of all.
    pub(super) first: &'a Finding,
    /// All of them.
    pub(super) findings: Vec<&'a Finding>,
}

/// Readings that failed in the same way.
#[derive(Debug, Clone)]
pub(super) struct SameGaps<'a> {
    /// The first of them; operation, cause and detail are those of all.
    pub(super) first: &'a Gap,
    /// Of which resources; empty: of the account.
    pub(super) resources: Vec<&'a Arn>,
}

/// All of one account.
#[derive(Debug, Clone)]
pub(super) struct AccountSection<'a> {
    /// Its id.
    pub(super) id: &'a AccountId,
    /// How it was read; `None`: the plan does not list it.
    pub(super) summary: Option<&'a AccountSummary>,
    /// What could not be read.
    pub(super) gaps: Vec<SameGaps<'a>>,
    /// What is the matter, by owner.
    pub(super) owners: Vec<OwnerGroup<'a>>,
    /// What is unknown.
    pub(super) unknown: Vec<SameFindings<'a>>,
    /// What is left alone.
    pub(super) exempt: Vec<SameFindings<'a>>,
    /// Actions whose finding is not in the plan.
    pub(super) strays: Vec<&'a Action>,
}

impl AccountSection<'_> {
    /// What people call it, else its id.
    pub(super) fn name(&self) -> &str {
        match self.summary {
            Some(summary) if !summary.name.trim().is_empty() => &summary.name,
            Some(_) | None => self.id.as_str(),
        }
    }
}

/// A whole plan, arranged.
#[derive(Debug, Clone)]
pub(super) struct Outline<'a> {
    /// The plan itself.
    pub(super) plan: &'a Plan,
    /// By account id.
    pub(super) accounts: Vec<AccountSection<'a>>,
    findings: BTreeMap<&'a FindingId, &'a Finding>,
}

impl<'a> Outline<'a> {
    /// Arranges a plan. Nothing of it is left out.
    pub(super) fn of(plan: &'a Plan) -> Self {
        let findings: BTreeMap<_, _> = plan.findings.iter().map(|f| (&f.id, f)).collect();
        let mut own: BTreeMap<&FindingId, Vec<&Action>> = BTreeMap::new();
        let mut also: BTreeMap<&FindingId, Vec<&Action>> = BTreeMap::new();
        let mut strays: BTreeMap<&AccountId, Vec<&Action>> = BTreeMap::new();
        for action in &plan.actions {
            if findings.contains_key(&action.finding) {
                own.entry(&action.finding).or_default().push(action);
            } else {
                strays.entry(&action.account).or_default().push(action);
            }
            for finding in &action.also {
                also.entry(finding).or_default().push(action);
            }
        }
        let mut by_account: BTreeMap<&AccountId, Vec<Entry<'a>>> = BTreeMap::new();
        for finding in &plan.findings {
            let actions = own.remove(&finding.id).unwrap_or_default();
            let answered_by = also.get(&finding.id).cloned().unwrap_or_default();
            let course = course(finding, actions.iter().chain(&answered_by).copied());
            by_account.entry(&finding.account).or_default().push(Entry {
                finding,
                course,
                actions,
                answered_by,
            });
        }
        let mut ids: BTreeSet<&AccountId> = plan.accounts.iter().map(|account| &account.id).collect();
        ids.extend(by_account.keys());
        ids.extend(strays.keys());
        let accounts = ids
            .into_iter()
            .map(|id| {
                let summary = plan.accounts.iter().find(|account| &account.id == id);
                let entries = by_account.remove(id).unwrap_or_default();
                section(id, summary, entries, strays.remove(id).unwrap_or_default())
            })
            .collect();
        Self {
            plan,
            accounts,
            findings,
        }
    }

    /// A finding by its id.
    pub(super) fn finding(&self, id: &FindingId) -> Option<&'a Finding> {
        self.findings.get(id).copied()
    }

    /// The dates that a message announces, the nearest first; one that several rules name is there once.
    pub(super) fn notices<'n>(&self, message: &'n Notification) -> Vec<&'n NoticeItem> {
        let key = |notice: &NoticeItem| {
            let resource = self
                .finding(&notice.finding)
                .map(|finding| finding.resource.as_str());
            let place = resource.unwrap_or(notice.finding.as_str()).to_owned();
            (notice.announced_for, place, notice.subject.clone())
        };
        let mut notices: Vec<_> = message.notices.iter().collect();
        notices.sort_by_cached_key(|notice| key(notice));
        notices.dedup_by(|a, b| key(a) == key(b));
        notices
    }

    /// All findings with what becomes of them, in the order of reading.
    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry<'a>> {
        self.accounts
            .iter()
            .flat_map(|account| &account.owners)
            .flat_map(|group| &group.entries)
    }

    /// How many findings take this course.
    pub(super) fn count(&self, course: Course) -> usize {
        match course {
            Course::Unknown => self
                .same(|account| &account.unknown)
                .map(|same| same.findings.len())
                .sum(),
            Course::Exempt => self
                .same(|account| &account.exempt)
                .map(|same| same.findings.len())
                .sum(),
            Course::Due | Course::HeldBack | Course::ReportOnly | Course::ByHand | Course::Warning => {
                self.entries().filter(|entry| entry.course == course).count()
            }
        }
    }

    fn same<'b>(
        &'b self,
        of: impl Fn(&'b AccountSection<'a>) -> &'b Vec<SameFindings<'a>>,
    ) -> impl Iterator<Item = &'b SameFindings<'a>> {
        self.accounts.iter().flat_map(of)
    }

    /// All calls to AWS together.
    pub(super) fn calls(&self) -> u64 {
        self.plan
            .api_calls
            .values()
            .fold(0, |sum, n| sum.saturating_add(*n))
    }

    /// The plan in one sentence.
    pub(super) fn headline(&self) -> String {
        let due = self
            .plan
            .actions
            .iter()
            .filter(|a| a.state == ActionState::Proposed)
            .count();
        let held = self.plan.actions.len() - due;
        let unread = self
            .plan
            .accounts
            .iter()
            .filter(|a| a.status != AccountStatus::Complete)
            .count();
        let unknown = self.count(Course::Unknown);
        let mut parts = Vec::new();
        if due > 0 {
            parts.push(format!("{} due now", counted(due, "change", "changes")));
        }
        if held > 0 {
            let what = if due > 0 {
                held.to_string()
            } else {
                counted(held, "change", "changes")
            };
            parts.push(format!("{what} held back"));
        }
        if parts.is_empty() {
            let open = self
                .plan
                .findings
                .iter()
                .filter(|f| f.status == FindingStatus::Violation)
                .count();
            parts.push(match open {
                // Where something is unknown there may well be something to change.
                0 if unknown > 0 || unread > 0 => "No changes".to_owned(),
                0 => "Nothing to change".to_owned(),
                n => format!("{}, no change to make", counted(n, "violation", "violations")),
            });
        }
        if unknown > 0 {
            parts.push(format!("{} unknown", counted(unknown, "finding", "findings")));
        } else if unread > 0 {
            parts.push(format!(
                "{} not read whole",
                counted(unread, "account", "accounts")
            ));
        }
        parts.join(", ")
    }
}

fn course<'a>(finding: &Finding, mut actions: impl Iterator<Item = &'a Action>) -> Course {
    match actions.next() {
        Some(first) if first.state == ActionState::Proposed => return Course::Due,
        Some(_) if actions.any(|action| action.state == ActionState::Proposed) => return Course::Due,
        Some(_) => return Course::HeldBack,
        None => {}
    }
    match finding.status {
        FindingStatus::Exempt => Course::Exempt,
        FindingStatus::Unknown => Course::Unknown,
        FindingStatus::Violation | FindingStatus::Warning if finding.proposal.is_some() => Course::ReportOnly,
        FindingStatus::Violation => Course::ByHand,
        FindingStatus::Warning => Course::Warning,
    }
}

fn section<'a>(
    id: &'a AccountId,
    summary: Option<&'a AccountSummary>,
    entries: Vec<Entry<'a>>,
    strays: Vec<&'a Action>,
) -> AccountSection<'a> {
    let mut owners: BTreeMap<(bool, Option<&Owner>), Vec<Entry<'a>>> = BTreeMap::new();
    let mut unknown = Vec::new();
    let mut exempt = Vec::new();
    for entry in entries {
        match entry.course {
            Course::Unknown => unknown.push(entry.finding),
            Course::Exempt => exempt.push(entry.finding),
            Course::Due | Course::HeldBack | Course::ReportOnly | Course::ByHand | Course::Warning => {
                let owner = entry.finding.owner.as_ref();
                owners.entry((owner.is_none(), owner)).or_default().push(entry);
            }
        }
    }
    let owners = owners
        .into_iter()
        .map(|((_, owner), mut entries)| {
            entries.sort_by_key(|entry| {
                let Finding {
                    severity,
                    resource,
                    rule,
                    id,
                    ..
                } = entry.finding;
                (std::cmp::Reverse(*severity), resource, rule, id)
            });
            OwnerGroup { owner, entries }
        })
        .collect();
    AccountSection {
        id,
        summary,
        gaps: summary
            .map(|summary| same_gaps(unread(summary)))
            .unwrap_or_default(),
        owners,
        unknown: same_findings(unknown),
        exempt: same_findings(exempt),
        strays,
    }
}

fn same_findings(mut findings: Vec<&Finding>) -> Vec<SameFindings<'_>> {
    findings.sort_by_key(|finding| (&finding.rule, &finding.detail, &finding.resource, &finding.id));
    findings
        .chunk_by(|a, b| a.rule == b.rule && a.detail == b.detail)
        .flat_map(|same| {
            // Two of one resource are told apart by their titles only.
            let twice = same.windows(2).any(|pair| match pair {
                [a, b] => a.resource == b.resource,
                _ => false,
            });
            same.chunks(if twice { 1 } else { same.len() })
        })
        .filter_map(|same| {
            let first = *same.first()?;
            Some(SameFindings {
                first,
                findings: same.to_vec(),
            })
        })
        .collect()
}

/// What could not be read. A rule that cannot carry out its declaration is an error of the account too, and told as its
/// finding.
pub(super) fn unread(summary: &AccountSummary) -> impl Iterator<Item = &Gap> {
    summary
        .errors
        .iter()
        .filter(|gap| !gap.operation.starts_with("rule:"))
}

fn same_gaps<'a>(gaps: impl Iterator<Item = &'a Gap>) -> Vec<SameGaps<'a>> {
    let mut gaps: Vec<&Gap> = gaps.collect();
    gaps.sort_by_key(|gap| (&gap.operation, gap.cause, &gap.detail, &gap.resource));
    gaps.chunk_by(|a, b| {
        let same = a.operation == b.operation && a.cause == b.cause && a.detail == b.detail;
        same && a.resource.is_some() == b.resource.is_some()
    })
    .filter_map(|same| {
        Some(SameGaps {
            first: *same.first()?,
            resources: same.iter().filter_map(|gap| gap.resource.as_ref()).collect(),
        })
    })
    .collect()
}

/// `notice 2, approval 1`, the most frequent first; a word and its number stay on one line.
pub(super) fn tally<T: AsRef<str>>(words: impl Iterator<Item = T>) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for word in words {
        *counts.entry(word.as_ref().to_owned()).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let parts: Vec<String> = counts
        .into_iter()
        .map(|(word, count)| format!("{}\u{a0}{count}", word.replace(' ', "\u{a0}")))
        .collect();
    parts.join(", ")
}

/// What an action changes.
pub(super) fn difference(action: &Action) -> Difference {
    Difference::of(&action.change, Before::Demanded(&action.precondition))
}

/// What a finding's proposal would change.
pub(super) fn proposed_difference(finding: &Finding) -> Option<Difference> {
    let proposal = finding.proposal.as_ref()?;
    Some(Difference::of(
        &proposal.change,
        Before::Restorable(proposal.inverse.as_ref()),
    ))
}
