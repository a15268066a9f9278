//! How far a log group is from somebody being told of an event.

use super::events::Watched;
use super::pattern::Pattern;
use crate::inventory::{Gap, LogGroup, Reading};
use crate::model::{Arn, MetricAlarm, MetricName};

/// An alarm and the topic that it tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) alarm: String,
    pub(super) topic: Arn,
}

/// How far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict<'a> {
    /// Nothing looks for the event.
    Unfiltered,
    /// A filter does, and no alarm on its metric tells anybody.
    Silent(MetricName),
    /// An alarm tells a topic that nobody hears.
    Unheard(Found),
    /// It is not known, because of this gap; `None`: nobody asked.
    Unknown(Option<&'a Gap>),
    /// Somebody is told.
    Watched,
}

impl<'a> Verdict<'a> {
    pub(super) fn of(event: &Watched, group: &'a LogGroup) -> Self {
        let filters = match &group.filters {
            Reading::Known(filters) => filters,
            Reading::Unknown(gap) => return Self::Unknown(Some(gap)),
        };
        let watches = |text: &str| {
            let pattern = Pattern::parse(text);
            pattern.is_some_and(|pattern| event.accepted.iter().any(|accepted| pattern.covers(accepted)))
        };
        let fits = filters.iter().filter(|filter| watches(&filter.pattern));
        let metrics = fits.flat_map(|filter| &filter.feeds).map(|feed| &feed.metric);
        let verdicts = metrics.map(|metric| Self::of_metric(metric, group));
        verdicts.max_by_key(Self::rank).unwrap_or(Self::Unfiltered)
    }

    fn of_metric(metric: &MetricName, group: &'a LogGroup) -> Self {
        let alarms = match &group.alarms {
            Reading::Known(alarms) => alarms,
            Reading::Unknown(gap) => return Self::Unknown(Some(gap)),
        };
        let on_metric = alarms.iter().filter(|alarm| tells_of(alarm, metric));
        let told = on_metric.flat_map(|alarm| alarm.topics().map(move |topic| (alarm, topic)));
        let verdicts = told.map(|(alarm, topic)| match group.subscriptions.get(&topic) {
            Some(Reading::Known(0)) => Self::Unheard(Found {
                alarm: alarm.name.clone(),
                topic,
            }),
            Some(Reading::Known(_)) => Self::Watched,
            Some(Reading::Unknown(gap)) => Self::Unknown(Some(gap)),
            None => Self::Unknown(None),
        });
        verdicts
            .max_by_key(Self::rank)
            .unwrap_or_else(|| Self::Silent(metric.clone()))
    }

    /// How near it is to somebody being told. What is not known may be.
    pub(super) fn rank(&self) -> u8 {
        match self {
            Self::Unfiltered => 0,
            Self::Silent(_) => 1,
            Self::Unheard(_) => 2,
            Self::Unknown(_) => 3,
            Self::Watched => 4,
        }
    }
}

/// Whether an alarm on the metric tells anybody, as far as is known.
pub(super) fn is_alarmed(group: &LogGroup, metric: &MetricName) -> bool {
    let mut alarms = group.alarms.known().into_iter().flatten();
    alarms.any(|alarm| tells_of(alarm, metric) && alarm.topics().next().is_some())
}

/// Whether the alarm does something, and looks at the metric.
fn tells_of(alarm: &MetricAlarm, metric: &MetricName) -> bool {
    alarm.actions_enabled && alarm.metrics.contains(metric)
}
