//! Instances of EC2, and the instance profiles by which they get a role.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};

use super::super::{Gap, Reading};
use super::Regions;
use super::collect::{AT_A_TIME, in_region};
use crate::aws::Reader;
use crate::model::{Arn, Region};

/// A running instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// Its ARN, which ends in its id.
    pub arn: Arn,
    /// When it was launched or started last.
    pub launched_at: DateTime<Utc>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// The instance profile that it has or is just getting or losing; `None` in it: it has none.
    pub profile: Reading<Option<AssociatedProfile>>,
    /// Whether its metadata is served without a session token (IMDSv1); `None`: AWS did not say so in a way that is known.
    pub imds_v1: Option<bool>,
    /// The service that manages it, such as `eks.amazonaws.com`: nobody else may change it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
}

/// The instance profile of an instance, which may have gone from IAM since.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AssociatedProfile {
    /// Its ARN.
    pub arn: Arn,
    /// Its unique id (`AIPA…`), which a namesake does not share; `None`: not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

/// An instance profile, as IAM has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct InstanceProfile {
    /// Its ARN, path included.
    pub arn: Arn,
    /// Its unique id (`AIPA…`), which a namesake does not share.
    pub id: String,
    /// The role in it; `None`: it holds none.
    pub role: Option<Arn>,
}

/// Reads the running instances of every region, and the instance profiles of the account.
pub(super) async fn read(reader: &Reader, found: &mut Regions, gaps: &mut BTreeSet<Gap>) {
    let profiles = Reading::from(
        reader
            .instance_profiles()
            .await
            .map_err(|error| Gap::from(&error)),
    );
    gaps.extend(profiles.gap().cloned());
    found.instance_profiles = Some(profiles);
    let looks = stream::iter(&mut found.by_name)
        .map(|(region, inventory)| async move { (inventory, of_region(reader, region).await) });
    let mut looks = looks.buffer_unordered(AT_A_TIME);
    while let Some((inventory, read)) = looks.next().await {
        gaps.extend(read.gap().cloned());
        let instances = read.known().into_iter().flatten();
        gaps.extend(instances.filter_map(|instance| instance.profile.gap()).cloned());
        inventory.instances = Some(read);
    }
}

/// The running instances of a region. Associations are asked for only where an instance seems to have no profile.
async fn of_region(reader: &Reader, region: &Region) -> Reading<Vec<Instance>> {
    let gap = |error| in_region(Gap::from(&error), region);
    let mut instances = match reader.running_instances(region).await {
        Ok(instances) => instances,
        Err(error) => return Reading::Unknown(gap(error)),
    };
    let without = |instance: &Instance| instance.profile == Reading::Known(None);
    if instances.iter().any(without) {
        let associations = reader.profile_associations(region).await.map_err(gap);
        for instance in instances.iter_mut().filter(|instance| without(instance)) {
            instance.profile = match &associations {
                Ok(associations) => Reading::Known(associations.get(&instance.arn).cloned()),
                Err(gap) => Reading::Unknown(gap.clone()),
            };
        }
    }
    Reading::Known(instances)
}
