//! What Access Analyzer found, in each region.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};

use super::super::collect::Outage;
use super::super::{Gap, Reading};
use super::collect::{AT_A_TIME, in_region};
use super::{RegionalNeeds, Regions};
use crate::aws::{ErrorKind, LiveAnalyzer, Reader};
use crate::model::{AnalyzerSettings, Arn, Region};

/// An analyzer of Access Analyzer, and what it found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Analyzer {
    /// How it is set up.
    pub settings: AnalyzerSettings,
    /// Whether it works.
    pub status: AnalyzerStatus,
    /// Why it does not, as AWS says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_reason: Option<String>,
    /// After how many days access counts as unused, where it looks for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unused_after_days: Option<u32>,
    /// Who outside has access to what, as far as nobody archived it; `None`: it looks for something else, or does not
    /// work, or nobody asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<Reading<Vec<ExternalAccess>>>,
    /// What nobody uses, as far as nobody archived it; `None`: it looks for something else, or does not work, or nobody
    /// asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unused: Option<Reading<Vec<UnusedAccess>>>,
}

/// Whether an analyzer works.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnalyzerStatus {
    /// It does.
    Active,
    /// It is being made.
    Creating,
    /// Access Analyzer has no more access to the organization, or to the service-linked role.
    Disabled,
    /// It could not be made.
    Failed,
    /// A word that iamwarden does not know.
    #[serde(untagged)]
    Other(String),
}

impl AnalyzerStatus {
    /// Reads the API's word.
    pub fn from_api(word: &str) -> Self {
        match word {
            "ACTIVE" => Self::Active,
            "CREATING" => Self::Creating,
            "DISABLED" => Self::Disabled,
            "FAILED" => Self::Failed,
            other => Self::Other(other.to_owned()),
        }
    }
}

/// Access from outside to one resource, by one policy statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExternalAccess {
    /// The id of the finding.
    pub id: String,
    /// To what.
    pub resource: Arn,
    /// Of what type that is, such as `AWS::S3::Bucket`.
    pub resource_type: String,
    /// Whether everybody has it.
    pub public: bool,
    /// Who has it, by the kind of principal: `AWS`, `Federated`, `CanonicalUser`.
    pub principal: BTreeMap<String, String>,
    /// To do what.
    pub actions: BTreeSet<String>,
    /// On which conditions.
    pub conditions: BTreeMap<String, String>,
    /// Why the resource could not be analyzed: then nothing else is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Something that nobody uses, as an analyzer says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnusedAccess {
    /// The id of the finding.
    pub id: String,
    /// Whose access, or which role.
    pub resource: Arn,
    /// What of it.
    pub kind: UnusedKind,
    /// When that was last looked at.
    pub analyzed_at: DateTime<Utc>,
    /// The services that are not used, by namespace, of unused permissions; `None`: nobody asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub services: Option<Reading<BTreeMap<String, UnusedService>>>,
}

/// What of something is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnusedKind {
    /// The role as a whole.
    Role,
    /// Some of the permissions of the user or role.
    Permissions,
}

/// A service of which not all is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnusedService {
    /// When it was last used; `None`: not as far back as AWS knows.
    pub last_accessed: Option<DateTime<Utc>>,
    /// Whether it is the whole service, not only some of its actions.
    pub whole: bool,
}

/// Reads the analyzers of every region, and what they found. What only adds evidence is not needed: where it cannot be
/// read, the inventory says so, and no [`Gap`] of the account does.
pub(super) async fn read(
    reader: &Reader,
    needs: &RegionalNeeds,
    found: &mut Regions,
    gaps: &mut BTreeSet<Gap>,
) {
    let looks = stream::iter(&mut found.by_name)
        .map(|(region, inventory)| async move { (inventory, look_into(reader, needs, region).await) });
    let mut looks = looks.buffer_unordered(AT_A_TIME);
    while let Some((inventory, analyzers)) = looks.next().await {
        match (analyzers.gap(), needs.analyzers) {
            (Some(gap), true) => {
                gaps.insert(gap.clone());
            }
            (Some(gap), false) => tell_of_missing_evidence(gap),
            (None, _) => {}
        }
        for analyzer in analyzers.known().into_iter().flatten() {
            gaps.extend(analyzer.external.as_ref().and_then(Reading::gap).cloned());
            let unused = analyzer.unused.as_ref().and_then(Reading::gap);
            unused.into_iter().for_each(tell_of_missing_evidence);
        }
        inventory.analyzers = Some(analyzers);
    }
}

/// The rules decide without it, so nothing of the run fails by it: this is the only place where it is told.
fn tell_of_missing_evidence(gap: &Gap) {
    tracing::warn!(
        operation = %gap.operation,
        cause = %gap.detail,
        "what Access Analyzer knows of unused access could not be read: rules decide without it"
    );
}

async fn look_into(reader: &Reader, needs: &RegionalNeeds, region: &Region) -> Reading<Vec<Analyzer>> {
    let gap = |error| in_region(Gap::from(&error), region);
    let listed = match reader.analyzers(region).await {
        Ok(listed) => listed,
        Err(error) => return Reading::Unknown(gap(error)),
    };
    let mut analyzers = Vec::new();
    for live in listed {
        let LiveAnalyzer {
            settings,
            status,
            status_reason,
            unused_after_days,
        } = live;
        let works = status == AnalyzerStatus::Active;
        let external = match works && needs.analyzers && settings.kind.looks_outside() {
            true => Some(reader.external_access(&settings.arn).await.map_err(gap).into()),
            false => None,
        };
        let unused = match works && needs.unused_access && settings.kind.looks_for_unused() {
            true => Some(reader.unused_access(&settings.arn).await.map_err(gap).into()),
            false => None,
        };
        analyzers.push(Analyzer {
            settings,
            status,
            status_reason,
            unused_after_days,
            external,
            unused,
        });
    }
    Reading::Known(analyzers)
}

/// Asks which services the findings on the permissions of these principals say are not used, each principal once.
pub(in crate::inventory) async fn read_unused_services(
    reader: &Reader,
    regions: &mut Regions,
    principals: &BTreeSet<Arn>,
) {
    let mut asked = BTreeSet::new();
    let mut wanted = Vec::new();
    for inventory in regions.by_name.values_mut() {
        let Some(Reading::Known(analyzers)) = &mut inventory.analyzers else {
            continue;
        };
        for analyzer in analyzers {
            let arn = &analyzer.settings.arn;
            let Some(Reading::Known(unused)) = &mut analyzer.unused else {
                continue;
            };
            // Such findings are the same in every region.
            let of_interest = unused.iter_mut().filter(|finding| {
                finding.kind == UnusedKind::Permissions
                    && principals.contains(&finding.resource)
                    && asked.insert(finding.resource.clone())
            });
            wanted.extend(of_interest.map(|finding| (arn, finding)));
        }
    }
    let outage = &Outage::default();
    let looks = stream::iter(wanted).map(|(analyzer, finding)| async move {
        let read = match outage.bars(&finding.resource) {
            Some(gap) => Err(gap),
            None => match outage.note(reader.unused_services(analyzer, &finding.id).await) {
                Ok(services) => Ok(Some(services)),
                // Resolved a moment ago.
                Err(error) if error.kind == ErrorKind::Gone => Ok(None),
                Err(error) => Err(Gap {
                    resource: Some(finding.resource.clone()),
                    ..Gap::from(&error)
                }),
            },
        };
        (finding, read)
    });
    let mut looks = looks.buffer_unordered(AT_A_TIME);
    while let Some((finding, read)) = looks.next().await {
        finding.services = match read {
            Ok(services) => services.map(Reading::Known),
            Err(gap) => {
                tell_of_missing_evidence(&gap);
                Some(Reading::Unknown(gap))
            }
        };
    }
}
