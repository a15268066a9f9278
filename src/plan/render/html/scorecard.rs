//! The scorecards, as finished words.

use crate::model::counted;
use crate::plan::render::many::Card;
use crate::plan::render::outline::Outline;
use crate::plan::render::words::{BENCHMARK, mark_counts};
use crate::plan::{Mark, Score};

/// The scorecard of an account.
pub(super) struct ScorecardView {
    pub(super) account: String,
    pub(super) id: String,
    pub(super) practices: Vec<ScoreView>,
    pub(super) benchmark: String,
    pub(super) controls: Vec<ScoreView>,
}

/// A line of it.
pub(super) struct ScoreView {
    pub(super) number: String,
    pub(super) title: String,
    pub(super) mark: &'static str,
    pub(super) key: &'static str,
    pub(super) note: String,
}

impl ScoreView {
    fn of(score: &Score) -> Self {
        let found = (score.findings > 0).then(|| counted(score.findings, "finding", "findings"));
        let note = Some(score.note.clone()).filter(|note| !note.is_empty());
        let notes: Vec<_> = found.into_iter().chain(note).collect();
        Self {
            number: score.number.clone().unwrap_or_default(),
            title: score.title.clone(),
            mark: score.mark.label(),
            key: match score.mark {
                Mark::Pass => "pass",
                Mark::Fail => "fail",
                Mark::Unknown => "unknown",
                Mark::NotEvaluated => "none",
            },
            note: notes.join("; "),
        }
    }
}

/// Of all accounts that could be read.
pub(super) fn scorecards(outline: &Outline<'_>) -> Vec<ScorecardView> {
    let cards = outline.scorecards().into_iter();
    cards
        .map(|Card { name, id, card }| ScorecardView {
            account: name,
            id,
            practices: card.practices.iter().map(ScoreView::of).collect(),
            benchmark: format!("{BENCHMARK}: {}", mark_counts(&card.controls)),
            controls: card.controls.iter().map(ScoreView::of).collect(),
        })
        .collect()
}
