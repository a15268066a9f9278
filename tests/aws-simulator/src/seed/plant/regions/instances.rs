//! Instances.

use std::collections::BTreeMap;

use super::Site;
use crate::account::InstanceProfile;
use crate::ec2::{Association, Instance, Metadata};
use crate::ids::IdSource;
use crate::seed::regions::InstanceSeed;

/// The instances of an entry: several where it says `repeat`.
pub(super) fn instances(
    seed: &InstanceSeed,
    site: Site<'_>,
    profiles: &BTreeMap<String, InstanceProfile>,
    ids: &mut IdSource,
) -> Vec<Instance> {
    let one = |_| instance(seed, site, profiles, ids);
    (0..seed.repeat.unwrap_or(1)).map(one).collect()
}

fn instance(
    seed: &InstanceSeed,
    site: Site<'_>,
    profiles: &BTreeMap<String, InstanceProfile>,
    ids: &mut IdSource,
) -> Instance {
    let launched = seed.age.resolve(site.place.now).unwrap_or(site.place.now);
    let id = seed.id.clone().filter(|_| seed.repeat.is_none());
    let reservation = seed.reservation.clone();
    Instance {
        id: id.unwrap_or_else(|| format!("i-{}", ids.hex(17))),
        reservation: reservation.unwrap_or_else(|| format!("r-{}", ids.hex(17))),
        state: seed.state.clone(),
        kind: seed.kind.clone(),
        image: "ami-0123456789abcdef0".to_owned(),
        zone: format!("{}a", site.region),
        launched,
        tags: seed.tags.clone(),
        managed_by: seed.managed_by.clone(),
        metadata: Metadata {
            tokens: seed.http_tokens.clone(),
            endpoint: seed.http_endpoint.clone(),
            hop_limit: 2,
        },
        profile: seed.profile.as_ref().map(|name| {
            let known = profiles.get(name);
            let path = known.map_or("/", |profile| &profile.path);
            let (partition, account) = (site.place.partition, site.place.account);
            Association {
                id: format!("iip-assoc-{}", ids.hex(17)),
                profile_arn: format!("arn:{partition}:iam::{account}:instance-profile{path}{name}"),
                profile_id: known.map_or_else(|| ids.unique("AIPA"), |profile| profile.id.clone()),
                state: seed.profile_state.clone(),
                since: launched,
            }
        }),
    }
}
