//! EC2, read: running instances, and which instance profiles they have.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::super::convert::{Converted, odd};
use super::super::errors::{AwsError, ErrorKind};
use super::super::operation;
use super::super::pages::Pages;
use super::super::reader::{Reader, usable};
use super::element::Element;
use super::wire::{Question, Service};
use crate::inventory::{AssociatedProfile, Instance, Reading};
use crate::model::{AccountId, Arn, Partition, Region};

pub(super) const EC2: Service = Service {
    prefix: "ec2",
    id: "EC2",
    host: "ec2",
};

pub(super) fn question(parameters: Vec<(&'static str, String)>) -> Question {
    Question::Form {
        version: "2016-11-15",
        parameters,
    }
}

/// Most items of a page.
const PAGE: &str = "1000";

/// An instance as it is right now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveInstance {
    /// `running`, `stopped`, …
    pub state: String,
    /// The profile that it has or is just getting or losing.
    pub profile: Option<AssociatedProfile>,
}

/// That an instance has a profile, is just getting or losing it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Association {
    pub(super) id: String,
    pub(super) instance: Arn,
    pub(super) profile: AssociatedProfile,
}

/// Whose instances, and where.
pub(super) struct Place<'a> {
    pub(super) region: &'a Region,
    pub(super) account: &'a AccountId,
    pub(super) partition: &'a Partition,
}

impl Reader {
    /// The running instances of a region, by ARN, with the profiles that `DescribeInstances` shows. All pages.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn running_instances(&self, region: &Region) -> Result<Vec<Instance>, AwsError> {
        let scope = self.scope(operation::DESCRIBE_INSTANCES, None);
        let running = [
            ("Filter.1.Name", "instance-state-name".to_owned()),
            ("Filter.1.Value.1", "running".to_owned()),
        ];
        let place = self.place(region);
        let read = |answer: &Element| {
            let instances = described(answer)?.map(|item| place.instance(item));
            instances.collect::<Converted<Vec<_>>>()
        };
        let mut instances = Vec::new();
        let mut pages = Pages::default();
        loop {
            let mut parameters = running.to_vec();
            parameters.push(("MaxResults", PAGE.to_owned()));
            parameters.extend(pages.marker().map(|token| ("NextToken", token)));
            let answer = self.ask_ec2(scope.operation, region, parameters, None).await?;
            instances.extend(usable(scope, read(&answer))?);
            let next = answer.text_of("nextToken").map(str::to_owned);
            if !usable(scope, pages.turn(next.is_some(), next))? {
                break;
            }
        }
        instances.sort_by(|a, b| a.arn.cmp(&b.arn));
        Ok(instances)
    }

    /// The profiles that instances of a region have, or are just getting or losing, by the instance's ARN.
    /// `DescribeIamInstanceProfileAssociations`, all pages.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn profile_associations(
        &self,
        region: &Region,
    ) -> Result<BTreeMap<Arn, AssociatedProfile>, AwsError> {
        let associations = self.associations(region, None).await?;
        let by_instance = associations.into_iter().map(|one| (one.instance, one.profile));
        Ok(by_instance.collect())
    }

    /// The instance as it is right now. `DescribeInstances`, `DescribeIamInstanceProfileAssociations`.
    ///
    /// # Errors
    /// [`AwsError`]; of kind `Gone` where it is not there any more, or was terminated.
    pub async fn instance(&self, instance: &Arn) -> Result<LiveInstance, AwsError> {
        let scope = self.scope(operation::DESCRIBE_INSTANCES, Some(instance));
        let region = self.region_of(scope, instance)?;
        let parameters = vec![("InstanceId.1", instance.name().to_owned())];
        let answer = self
            .ask_ec2(scope.operation, &region, parameters, Some(instance))
            .await?;
        let place = self.place(&region);
        let mut found = usable(scope, described(&answer))?;
        let item = found.find(|item| item.text_of("instanceId") == Some(instance.name()));
        let gone = |why: &str| AwsError::plain(scope, ErrorKind::Gone, why);
        let item = item.ok_or_else(|| gone("AWS does not list it"))?;
        let state = usable(scope, state_of(item))?.to_owned();
        if ["shutting-down", "terminated"].contains(&state.as_str()) {
            return Err(gone("it was terminated"));
        }
        let shown = usable(scope, place.instance(item))?.profile;
        let associations = self.associations(&region, Some(instance)).await?;
        let associated = associations.into_iter().next().map(|one| one.profile);
        Ok(LiveInstance {
            state,
            profile: associated.or_else(|| shown.known().cloned().flatten()),
        })
    }

    async fn associations(
        &self,
        region: &Region,
        instance: Option<&Arn>,
    ) -> Result<Vec<Association>, AwsError> {
        let operation = operation::DESCRIBE_IAM_INSTANCE_PROFILE_ASSOCIATIONS;
        let scope = self.scope(operation, instance);
        let place = self.place(region);
        let mut associations = Vec::new();
        let mut pages = Pages::default();
        loop {
            let parameters = association_parameters(instance, pages.marker());
            let answer = self.ask_ec2(operation, region, parameters, instance).await?;
            let (page, next) = usable(scope, place.associations(&answer))?;
            associations.extend(page);
            if !usable(scope, pages.turn(next.is_some(), next))? {
                return Ok(associations);
            }
        }
    }

    async fn ask_ec2(
        &self,
        operation: &'static str,
        region: &Region,
        parameters: Vec<(&'static str, String)>,
        resource: Option<&Arn>,
    ) -> Result<Element, AwsError> {
        let asked = self
            .regional
            .ask_by_hand(&EC2, region, operation, question(parameters), None);
        self.ask(self.scope(operation, resource), asked).await
    }

    fn place<'a>(&'a self, region: &'a Region) -> Place<'a> {
        Place {
            region,
            account: self.account(),
            partition: self.partition(),
        }
    }
}

/// What asks for the associations of an instance, or of all.
pub(super) fn association_parameters(
    instance: Option<&Arn>,
    next: Option<String>,
) -> Vec<(&'static str, String)> {
    let mut parameters = vec![("MaxResults", PAGE.to_owned())];
    if let Some(instance) = instance {
        parameters.push(("Filter.1.Name", "instance-id".to_owned()));
        parameters.push(("Filter.1.Value.1", instance.name().to_owned()));
    }
    parameters.extend(next.map(|token| ("NextToken", token)));
    parameters
}

/// The instances in an answer of `DescribeInstances`.
fn described(answer: &Element) -> Converted<impl Iterator<Item = &Element>> {
    answer.needed("reservationSet")?;
    let reservations = answer.members("reservationSet", "item");
    Ok(reservations.flat_map(|reservation| reservation.members("instancesSet", "item")))
}

fn state_of(item: &Element) -> Converted<&str> {
    item.needed("instanceState")?.needed_text("name")
}

impl Place<'_> {
    fn arn(&self, instance_id: &str) -> Converted<Arn> {
        let resource = format!("instance/{instance_id}");
        let arn = Arn::regional(self.partition, "ec2", self.region, self.account, &resource);
        arn.map_err(|error| odd(error.to_string()))
    }

    fn instance(&self, item: &Element) -> Converted<Instance> {
        let tag = |tag: &Element| {
            let key = tag.needed_text("key")?.to_owned();
            Ok((key, tag.text_of("value").unwrap_or_default().to_owned()))
        };
        let launched = item.needed_text("launchTime")?;
        let launched_at = DateTime::parse_from_rfc3339(launched)
            .map_err(|_| odd(format!("`{launched}` is not the time of a launch")))?;
        let managed = item
            .child("operator")
            .filter(|operator| operator.text_of("managed") == Some("true"));
        Ok(Instance {
            arn: self.arn(item.needed_text("instanceId")?)?,
            launched_at: launched_at.with_timezone(&Utc),
            tags: item
                .members("tagSet", "item")
                .map(tag)
                .collect::<Converted<_>>()?,
            profile: Reading::Known(item.child("iamInstanceProfile").map(profile).transpose()?),
            imds_v1: item.child("metadataOptions").and_then(imds_v1),
            operator: managed.map(|operator| {
                operator
                    .text_of("principal")
                    .unwrap_or("a service of AWS")
                    .to_owned()
            }),
        })
    }

    /// A page of associations that have not ended, and how the next begins.
    pub(super) fn associations(&self, answer: &Element) -> Converted<(Vec<Association>, Option<String>)> {
        const SET: &str = "iamInstanceProfileAssociationSet";
        answer.needed(SET)?;
        let mut associations = Vec::new();
        for item in answer.members(SET, "item") {
            // A state that is not known may be one in which the profile is there.
            if item.text_of("state") == Some("disassociated") {
                continue;
            }
            associations.push(Association {
                id: item.needed_text("associationId")?.to_owned(),
                instance: self.arn(item.needed_text("instanceId")?)?,
                profile: profile(item.needed("iamInstanceProfile")?)?,
            });
        }
        Ok((associations, answer.text_of("nextToken").map(str::to_owned)))
    }
}

fn profile(element: &Element) -> Converted<AssociatedProfile> {
    let arn = element.needed_text("arn")?;
    Ok(AssociatedProfile {
        arn: Arn::parse(arn).map_err(|error| odd(error.to_string()))?,
        // Anything else is no id of a profile, and tells no profile from another.
        id: element
            .text_of("id")
            .filter(|id| id.starts_with("AIPA"))
            .map(str::to_owned),
    })
}

/// Whether metadata is served without a session token. A word that is not known may be anything.
fn imds_v1(options: &Element) -> Option<bool> {
    match (options.text_of("httpEndpoint"), options.text_of("httpTokens")) {
        (Some("disabled"), _) | (Some("enabled"), Some("required")) => Some(false),
        (Some("enabled"), Some("optional")) => Some(true),
        (Some(_), _) | (None, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(text: &str) -> Element {
        Element::parse(text).unwrap()
    }

    fn at<T>(test: impl FnOnce(Place<'_>) -> T) -> T {
        test(Place {
            region: &Region::parse("eu-central-1").unwrap(),
            account: &AccountId::parse("123456789012").unwrap(),
            partition: &Partition::new("aws"),
        })
    }

    const WHOLE: &str = "<item><instanceId>i-0a</instanceId><instanceState><code>16</code><name>running</name>\
        </instanceState><launchTime>2026-01-02T03:04:05.000Z</launchTime>\
        <iamInstanceProfile><arn>arn:aws:iam::123456789012:instance-profile/x/web</arn><id>AIPAWEB</id></iamInstanceProfile>\
        <tagSet><item><key>owner</key><value>ann@example.com</value></item><item><key>bare</key><value/></item></tagSet>\
        <metadataOptions><state>applied</state><httpTokens>optional</httpTokens><httpEndpoint>enabled</httpEndpoint>\
        </metadataOptions><operator><managed>true</managed><principal>eks.amazonaws.com</principal></operator></item>";

    #[test]
    fn an_instance_is_read_whole() {
        let instance = at(|place| place.instance(&element(WHOLE))).unwrap();
        assert_eq!(
            instance.arn.as_str(),
            "arn:aws:ec2:eu-central-1:123456789012:instance/i-0a"
        );
        assert_eq!(instance.launched_at.to_rfc3339(), "2026-01-02T03:04:05+00:00");
        let profile = instance.profile.known().cloned().flatten().unwrap();
        assert_eq!(profile.arn.name(), "web");
        assert_eq!(profile.id.as_deref(), Some("AIPAWEB"));
        assert_eq!(instance.tags.get("bare").map(String::as_str), Some(""));
        assert_eq!(instance.imds_v1, Some(true));
        assert_eq!(instance.operator.as_deref(), Some("eks.amazonaws.com"));
        for needed in ["instanceId", "launchTime"] {
            let without = WHOLE.replace(needed, "somethingElse");
            assert!(
                at(|place| place.instance(&element(&without))).is_err(),
                "{needed}"
            );
        }
        let unmanaged = WHOLE.replace("<managed>true", "<managed>false");
        assert_eq!(
            at(|place| place.instance(&element(&unmanaged))).unwrap().operator,
            None
        );
    }

    #[test]
    fn the_first_version_of_the_metadata_service_is_off_only_where_aws_says_so() {
        let served = |inside: &str| imds_v1(&element(&format!("<m>{inside}</m>")));
        let options = |endpoint: &str, tokens: &str| {
            served(&format!(
                "<httpEndpoint>{endpoint}</httpEndpoint><httpTokens>{tokens}</httpTokens>"
            ))
        };
        assert_eq!(options("enabled", "optional"), Some(true));
        assert_eq!(options("enabled", "required"), Some(false));
        assert_eq!(options("disabled", "optional"), Some(false));
        assert_eq!(options("enabled", "perhaps"), None);
        assert_eq!(options("perhaps", "required"), None);
        assert_eq!(served("<httpTokens>required</httpTokens>"), None);
        assert_eq!(served(""), None);
    }

    #[test]
    fn every_association_that_has_not_ended_counts() {
        let item = |id: &str, state: &str| {
            format!(
                "<item><associationId>iip-{id}</associationId><instanceId>i-{id}</instanceId><iamInstanceProfile>\
                 <arn>arn:aws:iam::123456789012:instance-profile/web</arn><id>iip-x</id></iamInstanceProfile>\
                 <state>{state}</state></item>"
            )
        };
        let states = [
            "associating",
            "associated",
            "disassociating",
            "disassociated",
            "new",
        ];
        let items: String = states
            .iter()
            .enumerate()
            .map(|(n, state)| item(&n.to_string(), state))
            .collect();
        let answer = format!(
            "<R><iamInstanceProfileAssociationSet>{items}</iamInstanceProfileAssociationSet><nextToken>t</nextToken></R>"
        );
        let (page, next) = at(|place| place.associations(&element(&answer))).unwrap();
        let ids: Vec<_> = page.iter().map(|one| one.id.as_str()).collect();
        assert_eq!(ids, ["iip-0", "iip-1", "iip-2", "iip-4"]);
        assert_eq!(page[0].profile.id, None, "that is the id of no profile");
        assert_eq!(next.as_deref(), Some("t"));
        assert!(at(|place| place.associations(&element("<R/>")).is_err()));
        assert!(described(&element("<R/>")).is_err());
    }
}
