//! Trails.

use super::Site;
use crate::cloudtrail::{Settings, Trail, usual_selectors};
use crate::seed::regions::TrailSeed;

pub(super) fn trail(seed: &TrailSeed, site: Site<'_>) -> Trail {
    let now = site.place.now;
    let (partition, account) = (site.place.partition, site.place.account);
    let role = || format!("arn:{partition}:iam::{account}:role/CloudTrail_CloudWatchLogs_Role");
    let group = |name: &String| site.arn("logs", &format!("log-group:{name}:*"));
    Trail {
        name: seed.name.clone(),
        arn: site.arn("cloudtrail", &format!("trail/{}", seed.name)),
        home: site.region.to_owned(),
        settings: Settings {
            bucket: seed.bucket.clone(),
            prefix: seed.prefix.clone(),
            topic: seed.topic.clone(),
            global_events: seed.global_events,
            multi_region: seed.multi_region,
            validation: seed.validation,
            log_group: seed.log_group.as_ref().map(group),
            log_role: seed
                .log_role
                .clone()
                .or_else(|| seed.log_group.as_ref().map(|_| role())),
            key: seed.key.clone(),
            organization: seed.organization,
        },
        logging: seed.logging,
        started: seed.age.resolve(now),
        stopped: seed.stopped.resolve(now),
        delivered: seed.delivered.resolve(now),
        delivery_error: seed.delivery_error.clone(),
        log_group_error: seed.log_group_error.clone(),
        selectors: usual_selectors(&seed.read_write, seed.management_events),
        advanced_selectors: seed.advanced_selectors.clone(),
    }
}
