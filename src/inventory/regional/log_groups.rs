//! Reads what comes of the events in the log groups of trails.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt, stream};

use super::super::{Gap, Reading};
use super::collect::{AT_A_TIME, in_region};
use super::{LogGroup, Regions};
use crate::aws::{AwsError, Reader};
use crate::model::{Arn, MetricAlarm, MetricFilter, MetricName, Region};

/// What the names of alarms begin with that iamwarden makes.
const OWN: &str = "iamwarden-";

/// Reads the log groups of this account that trails write to.
pub(super) async fn read(reader: &Reader, found: &mut Regions, gaps: &mut BTreeSet<Gap>) {
    let destinations = found
        .trails
        .values()
        .filter_map(|trail| trail.settings.log_group.as_ref());
    let groups: BTreeSet<Arn> = destinations
        .filter_map(|destination| destination.group_alone())
        .filter(|group| group.account() == reader.account().as_str())
        .collect();
    let regions: BTreeSet<Region> = groups
        .iter()
        .filter_map(|group| Region::parse(group.region()).ok())
        .collect();
    let alarms: BTreeMap<Region, Reading<Vec<MetricAlarm>>> = stream::iter(regions)
        .map(|region| async move {
            let read = known(reader.metric_alarms(&region).await, &region);
            (region, read)
        })
        .buffer_unordered(AT_A_TIME)
        .collect()
        .await;
    let looks = stream::iter(groups).map(|group| {
        let region = Region::parse(group.region()).ok();
        let of_region = region.and_then(|region| Some((region.clone(), alarms.get(&region)?)));
        async move {
            let (region, alarms) = of_region?;
            let looked = look_at(reader, &group, &region, alarms).await;
            Some((group, looked))
        }
    });
    let mut looks = looks.buffer_unordered(AT_A_TIME);
    while let Some(look) = looks.next().await {
        let Some((arn, group)) = look else { continue };
        let LogGroup {
            filters,
            alarms,
            subscriptions,
        } = &group;
        gaps.extend([filters.gap(), alarms.gap()].into_iter().flatten().cloned());
        gaps.extend(subscriptions.values().filter_map(Reading::gap).cloned());
        found.log_groups.insert(arn, group);
    }
}

async fn look_at(
    reader: &Reader,
    group: &Arn,
    region: &Region,
    alarms: &Reading<Vec<MetricAlarm>>,
) -> LogGroup {
    let filters = known(reader.metric_filters(group, None).await, region);
    let fed = fed(&filters);
    let alarms = alarms.clone().map(|alarms| of_interest(alarms, &fed));
    let topics: BTreeSet<Arn> = alarms
        .known()
        .into_iter()
        .flatten()
        .flat_map(MetricAlarm::topics)
        .collect();
    let subscriptions = stream::iter(topics)
        .map(|topic| async move {
            let read = known(reader.confirmed_subscriptions(&topic).await, region);
            (topic, read)
        })
        .buffer_unordered(AT_A_TIME)
        .collect()
        .await;
    LogGroup {
        filters,
        alarms,
        subscriptions,
    }
}

fn known<T>(read: Result<T, AwsError>, region: &Region) -> Reading<T> {
    read.map_err(|error| in_region(Gap::from(&error), region)).into()
}

fn fed(filters: &Reading<Vec<MetricFilter>>) -> BTreeSet<MetricName> {
    let filters = filters.known().into_iter().flatten();
    filters
        .flat_map(|filter| &filter.feeds)
        .map(|feed| feed.metric.clone())
        .collect()
}

/// A region may have thousands of alarms on other things.
fn of_interest(alarms: Vec<MetricAlarm>, fed: &BTreeSet<MetricName>) -> Vec<MetricAlarm> {
    let of_interest = |alarm: &MetricAlarm| {
        alarm.name.starts_with(OWN) || alarm.metrics.iter().any(|metric| fed.contains(metric))
    };
    alarms.into_iter().filter(of_interest).collect()
}
