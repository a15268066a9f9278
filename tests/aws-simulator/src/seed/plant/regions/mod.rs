//! What an account holds in one region.

mod analyzers;
mod instances;
mod monitoring;
mod trails;

use std::collections::BTreeMap;

use super::Place;
use crate::account::InstanceProfile;
use crate::ids::IdSource;
use crate::region::Region;
use crate::seed::RegionSeed;

/// Something in a region: where, and how its ARN begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Site<'a> {
    place: Place<'a>,
    region: &'a str,
}

impl Site<'_> {
    fn arn(&self, service: &str, resource: &str) -> String {
        let Place {
            partition, account, ..
        } = self.place;
        format!("arn:{partition}:{service}:{}:{account}:{resource}", self.region)
    }
}

/// A region as its seed says, or what is wrong with it.
pub(crate) fn region(
    name: &str,
    seed: &RegionSeed,
    place: Place<'_>,
    profiles: &BTreeMap<String, InstanceProfile>,
    ids: &mut IdSource,
) -> Result<Region, String> {
    let site = Site { place, region: name };
    let mut region = Region {
        off: seed.opted_in == Some(false),
        ..Region::empty()
    };
    for seed in &seed.analyzers {
        let analyzer = analyzers::analyzer(seed, site, ids)?;
        once(
            "analyzer",
            &seed.name,
            region.analyzers.insert(seed.name.clone(), analyzer),
        )?;
    }
    for seed in &seed.instances {
        for instance in instances::instances(seed, site, profiles, ids) {
            let id = instance.id.clone();
            once("instance", &id, region.instances.insert(id.clone(), instance))?;
        }
    }
    for seed in &seed.trails {
        let trail = trails::trail(seed, site);
        once(
            "trail",
            &seed.name,
            region.trails.insert(seed.name.clone(), trail),
        )?;
    }
    for seed in &seed.log_groups {
        let group = monitoring::log_group(seed, site)?;
        once(
            "log group",
            &seed.name,
            region.log_groups.insert(seed.name.clone(), group),
        )?;
    }
    for seed in &seed.alarms {
        let alarm = monitoring::alarm(seed, site);
        once(
            "alarm",
            &seed.name,
            region.alarms.insert(seed.name.clone(), alarm),
        )?;
    }
    for seed in &seed.topics {
        let topic = monitoring::topic(seed, site, ids);
        once(
            "topic",
            &seed.name,
            region.topics.insert(seed.name.clone(), topic),
        )?;
    }
    Ok(region)
}

/// An error if there was one of that name already.
fn once<T>(what: &str, name: &str, before: Option<T>) -> Result<(), String> {
    match before {
        Some(_) => Err(format!("{what} `{name}` is there twice")),
        None => Ok(()),
    }
}
