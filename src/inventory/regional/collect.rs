//! Reads regions, side by side. A region that fails is a [`Gap`] of its own and stops no other.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt, stream};

use super::super::{Gap, GapCause, Reading};
use super::{RegionalInventory, RegionalNeeds, Regions, Trail, analyzers, instances, log_groups};
use crate::aws::{LiveTrail, Reader, operation};
use crate::model::{Arn, Region};

/// How many regions, or trails, are looked at at a time.
pub(super) const AT_A_TIME: usize = 4;

pub(in crate::inventory) async fn collect(
    reader: &Reader,
    needs: &RegionalNeeds,
    gaps: &mut BTreeSet<Gap>,
) -> Regions {
    let named = needs.regions.iter().cloned();
    let own = reader.region().filter(|_| needs.regions.is_empty());
    let regions: BTreeSet<Region> = named.chain(own.cloned()).collect();
    if regions.is_empty() {
        gaps.insert(no_region(needs));
    }
    let mut found = Regions {
        by_name: regions
            .iter()
            .map(|region| (region.clone(), RegionalInventory::default()))
            .collect(),
        ..Regions::default()
    };
    if needs.trails {
        read_trails(reader, needs, &mut found, gaps).await;
    }
    if needs.alarms {
        log_groups::read(reader, &mut found, gaps).await;
    }
    if needs.analyzers || needs.unused_access {
        analyzers::read(reader, needs, &mut found, gaps).await;
    }
    if needs.instances {
        instances::read(reader, &mut found, gaps).await;
    }
    found
}

fn no_region(needs: &RegionalNeeds) -> Gap {
    let operation = match (needs.trails, needs.instances) {
        (true, _) => operation::DESCRIBE_TRAILS,
        (false, true) => operation::DESCRIBE_INSTANCES,
        (false, false) => operation::LIST_ANALYZERS,
    };
    Gap {
        operation: operation.to_owned(),
        resource: None,
        cause: GapCause::Unusable,
        detail: "the ambient configuration names no region: set AWS_REGION, or regions.include".to_owned(),
    }
}

async fn read_trails(reader: &Reader, needs: &RegionalNeeds, found: &mut Regions, gaps: &mut BTreeSet<Gap>) {
    let mut seen: BTreeMap<Arn, LiveTrail> = BTreeMap::new();
    let looks = stream::iter(&mut found.by_name)
        .map(|(region, inventory)| async move { (region, inventory, reader.trails(region).await) });
    let mut looks = looks.buffer_unordered(AT_A_TIME);
    while let Some((region, inventory, read)) = looks.next().await {
        let trails = Reading::from(read.map_err(|error| in_region(Gap::from(&error), region)));
        gaps.extend(trails.gap().cloned());
        inventory.trails = Some(trails.map(|trails| {
            let arns = trails.iter().map(|trail| trail.settings.arn.clone()).collect();
            for trail in trails {
                // The same trail is seen from every region; what is read at home counts.
                let at_home = trail.settings.home_region == *region;
                if at_home || !seen.contains_key(&trail.settings.arn) {
                    seen.insert(trail.settings.arn.clone(), trail);
                }
            }
            arns
        }));
    }
    drop(looks);
    let looks = stream::iter(seen.into_values()).map(|trail| look_at(reader, needs, trail));
    let mut looks = looks.buffer_unordered(AT_A_TIME);
    while let Some(trail) = looks.next().await {
        let Trail {
            settings: _,
            logging,
            management_events,
            bucket,
        } = &trail;
        let missing = [
            logging.gap(),
            management_events.gap(),
            bucket.as_ref().and_then(|b| b.gap()),
        ];
        gaps.extend(missing.into_iter().flatten().cloned());
        found.trails.insert(trail.settings.arn.clone(), trail);
    }
}

async fn look_at(reader: &Reader, needs: &RegionalNeeds, trail: LiveTrail) -> Trail {
    let settings = &trail.settings;
    let (arn, home) = (&settings.arn, &settings.home_region);
    let own = arn.account() == reader.account().as_str();
    let (logging, events, bucket) = tokio::join!(
        reader.trail_is_logging(arn, home),
        reader.management_events(&trail),
        async {
            match own && needs.buckets {
                true => Some(reader.bucket_exposure(&settings.bucket, home).await),
                false => None,
            }
        }
    );
    let gap = |error| in_region(Gap::from(&error), home);
    let bucket_gap = |error| Gap {
        resource: Some(arn.clone()),
        ..gap(error)
    };
    Trail {
        logging: logging.map_err(gap).into(),
        management_events: events.map_err(gap).into(),
        bucket: bucket.map(|read| read.map_err(bucket_gap).into()),
        settings: trail.settings,
    }
}

/// The same gap, saying where.
pub(super) fn in_region(gap: Gap, region: &Region) -> Gap {
    Gap {
        detail: format!("in {region}: {}", gap.detail),
        ..gap
    }
}
