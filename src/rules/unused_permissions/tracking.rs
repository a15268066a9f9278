//! Where Access Advisor and `RoleLastUsed` see use: in a region that AWS does not list for them, they see none (E7, P7).
//! IAM user guide, "Refine permissions in AWS using last accessed information".

use crate::config::Config;
use crate::model::Region;

/// The regions that the guide listed in 2023, each tracked since August of that year at the latest: none of their dates lies
/// within the 400 days that Access Advisor remembers. Whether those that AWS opened since are tracked, no API tells.
const TRACKED: [&str; 28] = [
    "af-south-1",
    "ap-east-1",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-south-2",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ca-central-1",
    "eu-central-1",
    "eu-central-2",
    "eu-north-1",
    "eu-south-1",
    "eu-south-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
];

/// The first of the declared regions of which nobody can say that use is seen there, and why that matters.
pub(in crate::rules) fn blind_spot(config: &Config) -> Option<String> {
    let declared = config.regions.include.iter();
    let mut unlisted = declared.filter(|region: &&Region| !TRACKED.contains(&region.as_str()));
    unlisted.next().map(|region| {
        format!(
            "AWS does not list {region}, which is declared under `regions`, among those where it sees use"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_declared_region_that_is_not_listed_is_a_blind_spot() {
        let mut config = Config::built_in().unwrap();
        assert_eq!(blind_spot(&config), None);
        let region = |name| Region::parse(name).unwrap();
        config.regions.include = TRACKED.map(region).to_vec();
        assert_eq!(blind_spot(&config), None);
        config.regions.include.push(region("mx-central-1"));
        assert!(blind_spot(&config).is_some_and(|why| why.contains("mx-central-1")));
    }
}
