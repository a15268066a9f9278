//! A plan of many accounts: what is the same of all of them is said once.

use std::borrow::Cow;

use crate::model::{counted, visible};
use crate::plan::render::glance::GlanceLine;
use crate::plan::render::outline::{AccountSection, Outline, tally};
use crate::plan::{AccountStatus, Mark, Score, Scorecard};

/// Up to so many accounts each is told of by itself.
const FEW: usize = 10;
/// How many names are listed one after another.
const NAMES: usize = 60;

/// A scorecard, and of what it is.
pub(super) struct Card<'a> {
    /// The name of the account, or how many there are.
    pub(super) name: String,
    /// The id of the account; empty for several.
    pub(super) id: String,
    /// The scorecard.
    pub(super) card: Cow<'a, Scorecard>,
}

impl<'a> Outline<'a> {
    fn is_of_many(&self) -> bool {
        self.accounts.len() > FEW
    }

    /// The accounts that have a section of their own: all of a few; of many those in which something was found, or could not
    /// be read.
    pub(super) fn told(&self) -> impl Iterator<Item = &AccountSection<'a>> {
        let many = self.is_of_many();
        self.accounts
            .iter()
            .filter(move |account| !many || !is_quiet(account))
    }

    /// The accounts of many in which nothing was found, in a sentence; `None`: each has a section of its own.
    pub(super) fn quiet(&self) -> Option<String> {
        if !self.is_of_many() {
            return None;
        }
        let quiet: Vec<_> = self.accounts.iter().filter(|account| is_quiet(account)).collect();
        let names: Vec<_> = quiet
            .iter()
            .take(NAMES)
            .map(|account| visible(account.name()))
            .collect();
        let more = match quiet.len().saturating_sub(NAMES) {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        (!quiet.is_empty()).then(|| {
            format!(
                "Nothing found in {}: {}{more}",
                counted(quiet.len(), "account", "accounts"),
                names.join(", ")
            )
        })
    }

    /// The scorecards of a few accounts; of many one for all of them.
    pub(super) fn scorecards(&self) -> Vec<Card<'a>> {
        let accounts = self.plan.accounts.iter();
        let cards: Vec<_> = accounts
            .filter_map(|account| Some((account, account.scorecard.as_ref()?)))
            .collect();
        if !self.is_of_many() {
            let card = |(account, card): (&'a crate::plan::AccountSummary, &'a Scorecard)| Card {
                name: visible(&account.name).into_owned(),
                id: account.id.to_string(),
                card: Cow::Borrowed(card),
            };
            return cards.into_iter().map(card).collect();
        }
        let cards: Vec<_> = cards.into_iter().map(|(_, card)| card).collect();
        let Some(first) = cards.first() else {
            return Vec::new();
        };
        let joint = Scorecard {
            practices: joined(&first.practices, &cards, |card| &card.practices),
            controls: joined(&first.controls, &cards, |card| &card.controls),
        };
        vec![Card {
            name: counted(cards.len(), "account", "accounts"),
            id: String::new(),
            card: Cow::Owned(joint),
        }]
    }

    /// What the organization and the rollout have to say, where there are any.
    pub(super) fn glance_at_accounts(&self) -> Vec<GlanceLine> {
        let plan = self.plan;
        let mut lines = Vec::new();
        let is_out: Vec<_> = plan
            .accounts
            .iter()
            .filter_map(|account| account.rolled_out)
            .collect();
        if !is_out.is_empty() {
            let count = is_out.iter().filter(|is_out| **is_out).count();
            lines.push(GlanceLine {
                label: "rolled out",
                key: "rollout",
                count,
                amount: counted(count, "account", "accounts"),
                note: format!("of {}; elsewhere every rule only reports", is_out.len()),
            });
        }
        if !plan.left_out.is_empty() {
            lines.push(GlanceLine {
                label: "left out",
                key: "left-out",
                count: plan.left_out.len(),
                amount: counted(plan.left_out.len(), "account", "accounts"),
                note: tally(plan.left_out.iter().map(|out| visible(&out.why).into_owned())),
            });
        }
        lines
    }
}

impl AccountSection<'_> {
    /// Where in the organization it lies, and whether rules only report there; empty where neither is to be said.
    pub(super) fn standing(&self) -> String {
        let unit = self.summary.and_then(|summary| summary.unit.as_deref());
        let unit = unit.map(|unit| format!(" · {}", visible(unit)));
        let reports = match self.summary.and_then(|summary| summary.rolled_out) {
            Some(false) => " · not rolled out: rules only report",
            Some(true) => " · rolled out",
            None => "",
        };
        format!("{}{reports}", unit.unwrap_or_default())
    }
}

/// Whether it was read whole, and there is nothing to tell of it.
fn is_quiet(account: &AccountSection<'_>) -> bool {
    let AccountSection {
        id: _,
        summary,
        gaps,
        owners,
        unknown,
        exempt,
        strays,
    } = account;
    let is_whole = summary.is_some_and(|summary| summary.status == AccountStatus::Complete);
    is_whole
        && gaps.is_empty()
        && owners.is_empty()
        && unknown.is_empty()
        && exempt.is_empty()
        && strays.is_empty()
}

/// Each line of these scorecards once: as bad as the worst, with in how many accounts it is so.
fn joined<'c>(
    lines: &[Score],
    cards: &[&'c Scorecard],
    of: impl Fn(&'c Scorecard) -> &'c Vec<Score>,
) -> Vec<Score> {
    let join = |(n, line): (usize, &Score)| {
        let scores: Vec<_> = cards.iter().filter_map(|card| of(card).get(n)).collect();
        let count = |mark| scores.iter().filter(|score| score.mark == mark).count();
        let worst = [Mark::Fail, Mark::Unknown, Mark::Pass]
            .into_iter()
            .find(|mark| count(*mark) > 0)
            .unwrap_or(Mark::NotEvaluated);
        let note = match worst {
            Mark::Fail | Mark::Unknown => {
                let counts = [Mark::Fail, Mark::Unknown, Mark::Pass]
                    .into_iter()
                    .filter(|mark| count(*mark) > 0);
                let counts: Vec<_> = counts
                    .map(|mark| format!("{} in {}", mark.label(), count(mark)))
                    .collect();
                counts.join(", ")
            }
            Mark::Pass | Mark::NotEvaluated => line.note.clone(),
        };
        Score {
            mark: worst,
            findings: scores.iter().map(|score| score.findings).sum(),
            note,
            ..line.clone()
        }
    };
    lines.iter().enumerate().map(join).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::LeftOut;
    use crate::model::AccountId;
    use crate::plan::render::sample;
    use crate::plan::render::{TextStyle, html, markdown, text};
    use crate::plan::{AccountSummary, Plan};

    /// The sample, and so many accounts in which nothing was found.
    fn plan(quiet: u64) -> Plan {
        let mut plan = sample::plan();
        let model = plan.accounts[0].clone();
        for n in 0..quiet {
            plan.accounts.push(AccountSummary {
                id: AccountId::parse(&format!("{:012}", 900_000_000_000 + n)).unwrap(),
                name: format!("quiet-{n}"),
                unit: Some("/Workloads".to_owned()),
                rolled_out: Some(false),
                status: AccountStatus::Complete,
                errors: Vec::new(),
                ..model.clone()
            });
        }
        plan.left_out.push(LeftOut {
            id: AccountId::parse("800000000000").unwrap(),
            name: "old".to_owned(),
            why: "suspended".to_owned(),
        });
        plan
    }

    #[test]
    fn many_quiet_accounts_take_a_line_and_few_a_section_each() {
        let style = TextStyle {
            width: 100,
            color: false,
        };
        let (few, many) = (plan(3), plan(500));
        let (few_text, many_text) = (text(&few, &style), text(&many, &style));
        assert!(
            few_text.contains("quiet-2 · 900000000002 · read whole"),
            "{few_text}"
        );
        assert!(few_text.contains("/Workloads · not rolled out:"), "{few_text}");
        assert!(!many_text.contains("quiet-2 · 900000000002"));
        assert!(many_text.contains("Nothing found in 500 accounts: quiet-0, quiet-1,"));
        assert!(many_text.contains("and 440 more"));
        for said in [
            "left out",
            "suspended",
            "rolled out",
            "of 500; elsewhere every rule only reports",
        ] {
            assert!(many_text.contains(said), "{said}");
        }
        // What was found in the others is there all the same.
        for finding in &many.findings {
            assert_eq!(
                many_text.contains(&finding.title),
                few_text.contains(&finding.title)
            );
        }
        assert!(many_text.lines().count() < few_text.lines().count() + 40);
        let page = html(&many);
        assert!(page.contains("Nothing found in 500 accounts"));
        assert!(page.len() < html(&few).len() * 2, "{}", page.len());
        assert!(markdown(&many).len() < 65_536);
    }
}
