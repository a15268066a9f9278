//! How it stands with all findings, and how it stood the last time.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{House, Reach, Run};
use crate::model::{AccountId, Finding, FindingId, FindingStatus, Owner, RuleName};
use crate::notify::{News, StandingReport, Trend};
use crate::state::State;

/// Under which name the last report is kept.
const NAME: &str = "standing";
/// How many findings a report names.
const TOP: usize = 10;

/// What of a report the next one is compared with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Baseline(BTreeMap<FindingId, Known>);

/// A finding of the last report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    account: AccountId,
    rule: RuleName,
    owner: Option<Owner>,
}

/// Whether a finding is to be reported: what is exempt is left alone on purpose.
fn counts(finding: &Finding) -> bool {
    match finding.status {
        FindingStatus::Violation | FindingStatus::Warning | FindingStatus::Unknown => true,
        FindingStatus::Exempt => false,
    }
}

impl Baseline {
    /// Of the findings that stand.
    fn of(findings: &[Finding]) -> Self {
        let known = findings.iter().filter(|finding| counts(finding)).map(|finding| {
            let known = Known {
                account: finding.account.clone(),
                rule: finding.rule.clone(),
                owner: finding.owner.clone(),
            };
            (finding.id.clone(), known)
        });
        Self(known.collect())
    }
}

/// How many there are by something, now and the last time: what has most now comes first.
fn by<K: Ord + Clone>(
    now: impl Iterator<Item = K>,
    before: Option<impl Iterator<Item = K>>,
) -> Vec<(K, Trend)> {
    let mut counted: BTreeMap<K, Trend> = BTreeMap::new();
    for key in now {
        counted.entry(key).or_default().now += 1;
    }
    if let Some(before) = before {
        counted.values_mut().for_each(|trend| trend.before = Some(0));
        for key in before {
            let trend = counted.entry(key).or_default();
            trend.before = Some(trend.before.unwrap_or_default() + 1);
        }
    }
    let mut counted: Vec<_> = counted.into_iter().collect();
    counted.sort_by_key(|(_, trend)| std::cmp::Reverse(trend.now));
    counted
}

/// The report of these findings; of one owner's, where one is named.
fn standing_report(
    findings: &[Finding],
    last: Option<(DateTime<Utc>, &Baseline)>,
    owner: Option<&Owner>,
) -> StandingReport {
    let is_meant = |of: Option<&Owner>| owner.is_none() || of == owner;
    let now: Vec<_> = findings
        .iter()
        .filter(|finding| counts(finding) && is_meant(finding.owner.as_ref()))
        .collect();
    let before: Option<Vec<_>> = last.map(|(_, baseline)| {
        let known = baseline.0.iter();
        known
            .filter(|(_, known)| is_meant(known.owner.as_ref()))
            .collect()
    });
    let ids: BTreeSet<_> = now.iter().map(|finding| &finding.id).collect();
    let ids_before: Option<BTreeSet<_>> = before
        .as_ref()
        .map(|before| before.iter().map(|(id, _)| *id).collect());
    let mut top = now.clone();
    top.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.id.cmp(&b.id)));
    let was = before.as_deref();
    StandingReport {
        since: last.map(|(at, _)| at),
        total: Trend {
            now: now.len(),
            before: was.map(<[_]>::len),
        },
        accounts: by(
            now.iter().map(|finding| finding.account.clone()),
            was.map(|was| was.iter().map(|(_, known)| known.account.clone())),
        ),
        rules: by(
            now.iter().map(|finding| finding.rule.clone()),
            was.map(|was| was.iter().map(|(_, known)| known.rule.clone())),
        ),
        owners: match owner {
            Some(_) => Vec::new(),
            None => by(
                now.iter().map(|finding| finding.owner.clone()),
                was.map(|was| was.iter().map(|(_, known)| known.owner.clone())),
            ),
        },
        new: ids_before
            .as_ref()
            .map_or(0, |before| ids.difference(before).count()),
        gone: ids_before
            .as_ref()
            .map_or(0, |before| before.difference(&ids).count()),
        top: top.into_iter().take(TOP).cloned().collect(),
    }
}

impl House {
    /// The report of all that stands, compared with the last one that was sent.
    ///
    /// # Errors
    /// Where the state fails.
    pub async fn report(&self, state: &State) -> anyhow::Result<StandingReport> {
        let findings = standing(state).await?;
        let last = last(state).await?;
        let last = last.as_ref().map(|(at, baseline)| (*at, baseline));
        Ok(standing_report(&findings, last, None))
    }

    /// Puts the report into the outbox, for the channels of `[reports]` and for owners as declared, and remembers it for the
    /// next. Says how many messages that are.
    ///
    /// # Errors
    /// Where the state fails; then nothing is remembered, and the next try sends it.
    pub async fn send_report(&self, state: &State) -> anyhow::Result<usize> {
        let findings = standing(state).await?;
        let last = last(state).await?;
        let last = last.as_ref().map(|(at, baseline)| (*at, baseline));
        let whole = standing_report(&findings, last, None);
        let channels = self.config.reports.channels.iter();
        let mut news: Vec<_> = channels
            .map(|channel| News::ReportForChannel(channel.clone(), Box::new(whole.clone())))
            .collect();
        if self.config.reports.owners && !self.config.dry_run {
            for (owner, trend) in &whole.owners {
                let Some(owner) = owner.as_ref().filter(|_| trend.now > 0) else {
                    continue;
                };
                let theirs = standing_report(&findings, last, Some(owner));
                news.push(News::ReportOfOwner(owner.clone(), Box::new(theirs)));
            }
        }
        let run = Run::new(self, Reach::Remember);
        let queued = run.tell_news(state, &news).await?;
        let kept = serde_json::to_string(&Baseline::of(&findings))?;
        state.keep_report(NAME, &kept, self.clock.now()).await?;
        Ok(queued)
    }

    /// Sends the report where a scheduled time has passed since the last one. The first start waits for the schedule.
    ///
    /// # Errors
    /// Where the state fails.
    pub async fn send_report_if_due(&self, state: &State) -> anyhow::Result<bool> {
        let Some(schedule) = &self.config.reports.schedule else {
            return Ok(false);
        };
        let now = self.clock.now();
        match state.last_report(NAME).await? {
            None => {
                let baseline = Baseline::of(&standing(state).await?);
                state
                    .keep_report(NAME, &serde_json::to_string(&baseline)?, now)
                    .await?;
                Ok(false)
            }
            Some((at, _)) if schedule.next_after(at).is_some_and(|due| due <= now) => {
                self.send_report(state).await?;
                Ok(true)
            }
            Some(_) => Ok(false),
        }
    }
}

async fn standing(state: &State) -> anyhow::Result<Vec<Finding>> {
    let records = state.findings(None, false).await?;
    Ok(records.into_iter().map(|record| record.finding).collect())
}

async fn last(state: &State) -> anyhow::Result<Option<(DateTime<Utc>, Baseline)>> {
    let last = state.last_report(NAME).await?;
    last.map(|(at, document)| Ok((at, serde_json::from_str(&document)?)))
        .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Arn, Severity};

    fn finding(user: &str, owner: Option<&str>, status: FindingStatus) -> Finding {
        let account = AccountId::parse("123456789012").unwrap();
        let resource = Arn::parse(&format!("arn:aws:iam::123456789012:user/{user}")).unwrap();
        let rule = RuleName::new("user_mfa");
        Finding {
            id: FindingId::of(&rule, &account, &resource, ""),
            rule,
            account,
            resource,
            severity: Severity::High,
            status,
            title: format!("{user} has no device"),
            detail: String::new(),
            evidence: serde_json::Map::new(),
            owner: owner.map(|owner| Owner(owner.to_owned())),
            proposal: None,
        }
    }

    #[test]
    fn the_trend_is_since_the_last_report_and_of_each_owner_alone() {
        let violation = |user, owner| finding(user, Some(owner), FindingStatus::Violation);
        let before = [
            violation("a", "ann"),
            violation("b", "ann"),
            violation("c", "bob"),
        ];
        let first = standing_report(&before, None, None);
        assert_eq!((first.since, first.total), (None, Trend { now: 3, before: None }));
        assert_eq!((first.new, first.gone), (0, 0));

        let at: DateTime<Utc> = "2026-11-16T07:00:00Z".parse().unwrap();
        let baseline = Baseline::of(&before);
        let kept: Baseline = serde_json::from_str(&serde_json::to_string(&baseline).unwrap()).unwrap();
        assert_eq!(kept, baseline);
        let now = [
            violation("b", "ann"),
            violation("d", "ann"),
            violation("e", "ann"),
            finding("x", Some("ann"), FindingStatus::Exempt),
        ];
        let whole = standing_report(&now, Some((at, &kept)), None);
        assert_eq!(
            (whole.total, whole.new, whole.gone),
            (
                Trend {
                    now: 3,
                    before: Some(3)
                },
                2,
                2
            )
        );
        let of = |name: &str| Some(Owner(name.to_owned()));
        assert_eq!(
            whole.owners,
            [
                (
                    of("ann"),
                    Trend {
                        now: 3,
                        before: Some(2)
                    }
                ),
                (
                    of("bob"),
                    Trend {
                        now: 0,
                        before: Some(1)
                    }
                ),
            ]
        );
        let ann = standing_report(&now, Some((at, &kept)), of("ann").as_ref());
        assert_eq!(
            (ann.total, ann.new, ann.gone),
            (
                Trend {
                    now: 3,
                    before: Some(2)
                },
                2,
                1
            )
        );
        assert!(ann.owners.is_empty());
    }
}
