//! CloudTrail, read: trails, whether they log, and what.

use aws_sdk_cloudtrail::operation::get_event_selectors::GetEventSelectorsOutput;
use aws_sdk_cloudtrail::types as sdk;

use super::super::convert::{self, Converted, needed, odd};
use super::super::errors::{AwsError, ErrorKind};
use super::super::operation;
use super::super::reader::{Reader, usable};
use crate::inventory::ManagementEvents;
use crate::model::{Arn, LogDestination, Region, TrailSettings};

/// A trail as `DescribeTrails` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveTrail {
    /// How it is set up.
    pub settings: TrailSettings,
    /// Whether somebody chose which events it logs.
    pub custom_selectors: bool,
}

impl Reader {
    /// The trails that log in a region: those at home there, those of all regions, and those of the organization.
    /// `DescribeTrails`.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn trails(&self, region: &Region) -> Result<Vec<LiveTrail>, AwsError> {
        let scope = self.scope(operation::DESCRIBE_TRAILS, None);
        let call = self.regional.cloudtrail(region).describe_trails();
        let answer = self.ask(scope, call.include_shadow_trails(true).send()).await?;
        let trails = answer.trail_list.unwrap_or_default().into_iter().map(live_trail);
        let mut trails = usable(scope, trails.collect::<Converted<Vec<_>>>())?;
        trails.sort_by(|a, b| a.settings.arn.cmp(&b.settings.arn));
        Ok(trails)
    }

    /// The trail of this ARN, as it is at home; `None`: there is none. `DescribeTrails`.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn trail(&self, trail: &Arn, home: &Region) -> Result<Option<TrailSettings>, AwsError> {
        let scope = self.scope(operation::DESCRIBE_TRAILS, Some(trail));
        let call = self.regional.cloudtrail(home).describe_trails();
        let call = call.include_shadow_trails(false).trail_name_list(trail.as_str());
        let answer = match self.ask(scope, call.send()).await {
            Ok(answer) => answer,
            Err(error) if error.kind == ErrorKind::Gone => return Ok(None),
            Err(error) => return Err(error),
        };
        let trails = answer.trail_list.unwrap_or_default().into_iter().map(live_trail);
        let trails = usable(scope, trails.collect::<Converted<Vec<_>>>())?;
        let mut settings = trails.into_iter().map(|trail| trail.settings);
        Ok(settings.find(|found| found.arn == *trail))
    }

    /// Whether the trail logs at all. `GetTrailStatus`, at its home.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn trail_is_logging(&self, trail: &Arn, home: &Region) -> Result<bool, AwsError> {
        let scope = self.scope(operation::GET_TRAIL_STATUS, Some(trail));
        let call = self.regional.cloudtrail(home).get_trail_status();
        let status = self.ask(scope, call.name(trail.as_str()).send()).await?;
        usable(scope, needed(status.is_logging, "whether the trail is logging"))
    }

    /// Which management events the trail logs. `GetEventSelectors`, at its home.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn management_events(&self, trail: &LiveTrail) -> Result<ManagementEvents, AwsError> {
        let TrailSettings { arn, home_region, .. } = &trail.settings;
        let scope = self.scope(operation::GET_EVENT_SELECTORS, Some(arn));
        let call = self.regional.cloudtrail(home_region).get_event_selectors();
        let answer = self.ask(scope, call.trail_name(arn.as_str()).send()).await?;
        usable(scope, management_events(&answer, trail.custom_selectors))
    }
}

fn live_trail(trail: sdk::Trail) -> Converted<LiveTrail> {
    let region = needed(trail.home_region, "the home region of a trail")?;
    let group = trail
        .cloud_watch_logs_log_group_arn
        .filter(|text| !text.is_empty());
    let role = trail.cloud_watch_logs_role_arn.filter(|text| !text.is_empty());
    let log_group = match (group, role) {
        (None, None) => None,
        (group, role) => Some(LogDestination {
            group: convert::arn(group, "the ARN of a trail's log group")?,
            role: convert::arn(role, "the ARN of a trail's log role")?,
        }),
    };
    Ok(LiveTrail {
        custom_selectors: trail.has_custom_event_selectors.unwrap_or(true),
        settings: TrailSettings {
            arn: convert::arn(trail.trail_arn, "the ARN of a trail")?,
            name: needed(trail.name, "the name of a trail")?,
            home_region: Region::parse(&region).map_err(|error| odd(error.to_string()))?,
            bucket: needed(trail.s3_bucket_name, "the bucket of a trail")?,
            key_prefix: trail.s3_key_prefix.filter(|text| !text.is_empty()),
            multi_region: needed(trail.is_multi_region_trail, "whether a trail is of all regions")?,
            organization: trail.is_organization_trail.unwrap_or(false),
            global_service_events: needed(
                trail.include_global_service_events,
                "whether a trail logs global services",
            )?,
            log_file_validation: needed(
                trail.log_file_validation_enabled,
                "whether a trail's logs are validated",
            )?,
            log_group,
            kms_key: trail.kms_key_id.filter(|text| !text.is_empty()),
        },
    })
}

/// A trail without selectors of its own logs all management events. A selector that is narrower than all events of a
/// kind does not count; leaving out the noise of KMS and of RDS's data API, which the console offers, does no harm.
fn management_events(answer: &GetEventSelectorsOutput, custom: bool) -> Converted<ManagementEvents> {
    let (basic, advanced) = (answer.event_selectors(), answer.advanced_event_selectors());
    if basic.is_empty() && advanced.is_empty() {
        return match custom {
            false => Ok(ManagementEvents {
                reads: true,
                writes: true,
            }),
            true => Err(odd("the trail has selectors of its own, but none was sent")),
        };
    }
    let mut events = ManagementEvents::default();
    for selector in basic
        .iter()
        .filter(|s| s.include_management_events().unwrap_or(true))
    {
        #[allow(
            clippy::wildcard_enum_match_arm,
            reason = "the SDK's enum may grow; what is new is not understood"
        )]
        match selector.read_write_type().unwrap_or(&sdk::ReadWriteType::All) {
            sdk::ReadWriteType::All => {
                events = ManagementEvents {
                    reads: true,
                    writes: true,
                }
            }
            sdk::ReadWriteType::ReadOnly => events.reads = true,
            sdk::ReadWriteType::WriteOnly => events.writes = true,
            other => return Err(odd(format!("a selector is of the unknown type {other}"))),
        }
    }
    for selector in advanced {
        let (reads, writes) = advanced_events(selector);
        events.reads |= reads;
        events.writes |= writes;
    }
    Ok(events)
}

/// Whether an advanced selector takes all management events that read, and all that write.
fn advanced_events(selector: &sdk::AdvancedEventSelector) -> (bool, bool) {
    const NOISE: [&str; 2] = ["kms.amazonaws.com", "rdsdata.amazonaws.com"];
    let mut management = false;
    let mut both = (true, true);
    for field in selector.field_selectors() {
        let only_equals = field.starts_with().is_empty()
            && field.ends_with().is_empty()
            && field.not_equals().is_empty()
            && field.not_starts_with().is_empty()
            && field.not_ends_with().is_empty();
        let only_not_equals = field.equals().is_empty()
            && field.starts_with().is_empty()
            && field.ends_with().is_empty()
            && field.not_starts_with().is_empty()
            && field.not_ends_with().is_empty();
        let is = |word: &str| only_equals && field.equals() == [word];
        match field.field() {
            "eventCategory" if is("Management") => management = true,
            "readOnly" if is("true") => both.1 = false,
            "readOnly" if is("false") => both.0 = false,
            "eventSource"
                if only_not_equals && field.not_equals().iter().all(|s| NOISE.contains(&s.as_str())) => {}
            // Of another category, or narrower in some way.
            _ => return (false, false),
        }
    }
    if management { both } else { (false, false) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A field, what it equals, and what it does not equal.
    type Field<'a> = (&'a str, &'a [&'a str], &'a [&'a str]);

    fn selectors(basic: &[(Option<bool>, &str)], advanced: &[&[Field<'_>]]) -> GetEventSelectorsOutput {
        let basic = basic.iter().map(|(management, kind)| {
            sdk::EventSelector::builder()
                .set_include_management_events(*management)
                .read_write_type((*kind).into())
                .build()
        });
        let advanced = advanced.iter().map(|fields| {
            let fields = fields.iter().map(|(name, equals, not_equals)| {
                let list = |texts: &[&str]| {
                    (!texts.is_empty()).then(|| texts.iter().map(ToString::to_string).collect())
                };
                sdk::AdvancedFieldSelector::builder()
                    .field(*name)
                    .set_equals(list(equals))
                    .set_not_equals(list(not_equals))
                    .build()
                    .unwrap()
            });
            sdk::AdvancedEventSelector::builder()
                .set_field_selectors(Some(fields.collect()))
                .build()
                .unwrap()
        });
        GetEventSelectorsOutput::builder()
            .set_event_selectors(Some(basic.collect()))
            .set_advanced_event_selectors(Some(advanced.collect()))
            .build()
    }

    fn logged(answer: &GetEventSelectorsOutput) -> (bool, bool) {
        let events = management_events(answer, true).unwrap();
        (events.reads, events.writes)
    }

    #[test]
    fn basic_selectors_add_up() {
        assert_eq!(logged(&selectors(&[(Some(true), "All")], &[])), (true, true));
        assert_eq!(logged(&selectors(&[(None, "ReadOnly")], &[])), (true, false));
        assert_eq!(
            logged(&selectors(
                &[(Some(true), "ReadOnly"), (Some(true), "WriteOnly")],
                &[]
            )),
            (true, true)
        );
        assert_eq!(logged(&selectors(&[(Some(false), "All")], &[])), (false, false));
        assert!(management_events(&selectors(&[(Some(true), "Sometimes")], &[]), true).is_err());
    }

    #[test]
    fn advanced_selectors_count_where_they_are_not_narrower() {
        const MANAGEMENT: (&str, &[&str], &[&str]) = ("eventCategory", &["Management"], &[]);
        let of = |fields: &[(&str, &[&str], &[&str])]| logged(&selectors(&[], &[fields]));
        assert_eq!(of(&[MANAGEMENT]), (true, true));
        assert_eq!(of(&[MANAGEMENT, ("readOnly", &["true"], &[])]), (true, false));
        assert_eq!(of(&[MANAGEMENT, ("readOnly", &["false"], &[])]), (false, true));
        assert_eq!(
            of(&[MANAGEMENT, ("eventSource", &[], &["kms.amazonaws.com"])]),
            (true, true)
        );
        assert_eq!(
            of(&[MANAGEMENT, ("eventSource", &[], &["iam.amazonaws.com"])]),
            (false, false)
        );
        assert_eq!(
            of(&[MANAGEMENT, ("eventSource", &["iam.amazonaws.com"], &[])]),
            (false, false)
        );
        assert_eq!(
            of(&[MANAGEMENT, ("userIdentity.arn", &[], &["x"])]),
            (false, false)
        );
        assert_eq!(of(&[("eventCategory", &["Data"], &[])]), (false, false));
    }

    #[test]
    fn no_selectors_are_all_events_only_where_nobody_chose() {
        let none = selectors(&[], &[]);
        assert!(management_events(&none, false).unwrap().writes);
        assert!(management_events(&none, true).is_err());
    }
}
