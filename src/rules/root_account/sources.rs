//! Two sources of one fact: a live one that says little, and a report that says more and may be hours old.

/// What two sources come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The live source says that all is well, and the report says nothing else.
    Safe,
    /// One says that it is not, and the other nothing else.
    AtRisk,
    /// They say the opposite of each other.
    Contradiction {
        /// Whether it is the live one that says that something is wrong.
        live: bool,
    },
    /// Neither suffices. A report alone is no pass.
    Unknown,
}

/// Weighs what the live source and the report say of a danger; `None`: not read, or not said.
pub(super) fn weigh(live: Option<bool>, report: Option<bool>) -> Verdict {
    match (live, report) {
        (Some(live), Some(report)) if live != report => Verdict::Contradiction { live },
        (Some(true), _) | (None, Some(true)) => Verdict::AtRisk,
        (Some(false), _) => Verdict::Safe,
        (None, Some(false) | None) => Verdict::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_takes_the_live_source_and_no_contradiction() {
        let (yes, no) = (Some(true), Some(false));
        for (live, report, verdict) in [
            (no, no, Verdict::Safe),
            (no, None, Verdict::Safe),
            (yes, yes, Verdict::AtRisk),
            (yes, None, Verdict::AtRisk),
            (None, yes, Verdict::AtRisk),
            (yes, no, Verdict::Contradiction { live: true }),
            (no, yes, Verdict::Contradiction { live: false }),
            (None, no, Verdict::Unknown),
            (None, None, Verdict::Unknown),
        ] {
            assert_eq!(weigh(live, report), verdict, "{live:?} {report:?}");
        }
    }
}
