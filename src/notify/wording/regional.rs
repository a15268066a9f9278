//! What messages say of what lives in regions.

use super::{Item, exemption_advice};
use crate::model::{Arn, RegionalChange, log_group_name};
use crate::notify::text::Text;

/// The thing that a change is made to, as it reads in a sentence.
pub(super) fn target(text: Text, resource: &Arn, change: &RegionalChange) -> Text {
    match change {
        RegionalChange::StartLogging {} | RegionalChange::UpdateTrail(_) => {
            let text = text.say("trail ").code(resource.name());
            text.say(" (").say(resource.region()).say(")")
        }
        RegionalChange::CreateTrail(settings) => {
            let text = text.say("trail ").code(&settings.name);
            text.say(" (").say(settings.home_region.as_str()).say(")")
        }
        RegionalChange::PutMetricFilter(filter) => {
            let text = text
                .say("metric filter ")
                .code(&filter.name)
                .say(" on log group ");
            text.code(log_group_name(resource))
        }
        RegionalChange::PutMetricAlarm(alarm) => {
            let text = text.say("alarm ").code(&alarm.name);
            text.say(" (").say(resource.region()).say(")")
        }
    }
}

pub(super) fn trail_steps(items: &[Item]) -> Vec<Text> {
    let mut lines = vec![
        Text::new().strong("To mend it:"),
        Text::new()
            .say("1. See what the trail logs, and where: ")
            .code("aws cloudtrail get-event-selectors --trail-name TRAIL"),
        Text::new()
            .say("2. Let one trail of all regions log all management events: ")
            .code(
                "aws cloudtrail put-event-selectors --trail-name TRAIL --event-selectors \
             '[{\"ReadWriteType\":\"All\",\"IncludeManagementEvents\":true}]'",
            ),
        Text::new()
            .say("3. Close a bucket that is open to everybody: ")
            .code(
                "aws s3api put-public-access-block --bucket BUCKET --public-access-block-configuration \
             BlockPublicAcls=true,IgnorePublicAcls=true,BlockPublicPolicy=true,RestrictPublicBuckets=true",
            ),
        Text::new().say("The trail of an organization is changed in its management account."),
    ];
    lines.extend(exemption_advice(items, "If it is meant to be so"));
    lines
}

pub(super) fn alarm_steps(items: &[Item]) -> Vec<Text> {
    let mut lines = vec![
        Text::new().strong("To mend it:"),
        Text::new()
            .say("1. Make a topic, and subscribe whoever is to be told: ")
            .code("aws sns create-topic --name security")
            .say(", ")
            .code("aws sns subscribe --topic-arn TOPIC --protocol email --notification-endpoint ADDRESS"),
        Text::new().say("2. Let them confirm by the link in the message that they get."),
        Text::new()
            .say("3. Name the topic as ")
            .code("topic")
            .say(" in ")
            .code("[rules.iam_alarms]")
            .say(", and iamwarden makes the alarms; or let your own alarms tell it."),
    ];
    lines.extend(exemption_advice(items, "If it is watched elsewhere"));
    lines
}
