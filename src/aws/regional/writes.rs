//! Changes to what lives in regions, each by one call, sent once. Only [`Writer::perform`] leads here.

use serde_json::{Value, json};

use super::super::errors::AwsError;
use super::super::meter::Departure;
use super::super::operation;
use super::super::writer::{Sent, WriteError, Writer};
use super::access_analyzer::ACCESS_ANALYZER;
use super::cloudwatch::{self, CLOUDWATCH};
use super::ec2::{self, EC2};
use super::element::Element;
use super::logs::{self, LOGS};
use super::request::{InstanceId, RegionalRequest, TrailName};
use super::wire::{Question, Readable, Service};
use crate::model::{Arn, Feed, MetricAlarm, Region, TrailSettings, TrailUpdate};

impl Writer {
    pub(in crate::aws) async fn send_regional(
        &self,
        request: RegionalRequest,
        sent: &Sent<'_>,
        departure: Departure,
    ) -> Result<(), WriteError> {
        match request {
            RegionalRequest::StartLogging(trail) => self.start_logging(&trail, sent, departure).await,
            RegionalRequest::StopLogging(TrailName { home, name }) => {
                let call = self.regional.cloudtrail(&home).stop_logging().name(name);
                sent.outcome(call.customize().interceptor(departure).send()).await
            }
            RegionalRequest::UpdateTrail(trail, update) => {
                self.update_trail(trail, update, sent, departure).await
            }
            RegionalRequest::CreateTrail(settings) => self.create_trail(*settings, sent, departure).await,
            RegionalRequest::PutMetricFilter(group, filter) => {
                let body = json!({
                    "logGroupName": group.name,
                    "filterName": filter.name,
                    "filterPattern": filter.pattern,
                    "metricTransformations": filter.feeds.iter().map(transformation).collect::<Vec<_>>(),
                });
                self.send_by_hand::<Value>(&LOGS, &group.region, logs::question(body), sent, departure)
                    .await
            }
            RegionalRequest::DeleteMetricFilter(group, filter_name) => {
                let body = json!({"logGroupName": group.name, "filterName": filter_name});
                self.send_by_hand::<Value>(&LOGS, &group.region, logs::question(body), sent, departure)
                    .await
            }
            RegionalRequest::PutMetricAlarm(region, alarm) => {
                let question = cloudwatch::question(alarm_parameters(alarm));
                self.send_by_hand::<Element>(&CLOUDWATCH, &region, question, sent, departure)
                    .await
            }
            RegionalRequest::DeleteMetricAlarm(region, name) => {
                let question = cloudwatch::question(vec![("AlarmNames.member.1", name)]);
                self.send_by_hand::<Element>(&CLOUDWATCH, &region, question, sent, departure)
                    .await
            }
            RegionalRequest::CreateAnalyzer(region, settings) => {
                let question = Question::Rest {
                    method: "PUT",
                    path: "/analyzer".to_owned(),
                    body: Some(json!({"analyzerName": settings.name, "type": settings.kind})),
                };
                self.send_by_hand::<Value>(&ACCESS_ANALYZER, &region, question, sent, departure)
                    .await
            }
            RegionalRequest::DeleteAnalyzer(region, name) => {
                let question = Question::Rest {
                    method: "DELETE",
                    path: format!("/analyzer/{name}"),
                    body: None,
                };
                self.send_by_hand::<Value>(&ACCESS_ANALYZER, &region, question, sent, departure)
                    .await
            }
            RegionalRequest::AssociateInstanceProfile(instance, profile) => {
                let question = ec2::question(vec![
                    ("InstanceId", instance.arn.name().to_owned()),
                    ("IamInstanceProfile.Arn", profile.to_string()),
                ]);
                self.send_by_hand::<Element>(&EC2, &instance.region, question, sent, departure)
                    .await
            }
            RegionalRequest::DisassociateInstanceProfile(instance, profile) => {
                self.disassociate(&instance, &profile, sent, departure).await
            }
            RegionalRequest::DeleteTrail(TrailName { home, name }) => {
                let call = self.regional.cloudtrail(&home).delete_trail().name(name);
                sent.outcome(call.customize().interceptor(departure).send()).await
            }
        }
    }

    /// Asks by hand, once; of the answer only that it came in the shape that the service has is of interest.
    async fn send_by_hand<T: Readable>(
        &self,
        service: &'static Service,
        region: &Region,
        question: Question,
        sent: &Sent<'_>,
        departure: Departure,
    ) -> Result<(), WriteError> {
        let operation = sent.operation();
        let call = self
            .regional
            .ask_by_hand::<T>(service, region, operation, question, Some(departure));
        sent.outcome(call).await
    }

    /// Ends the association by its id, which is known by asking alone. One with another profile is somebody else's: it is
    /// left alone.
    async fn disassociate(
        &self,
        instance: &InstanceId,
        profile: &Arn,
        sent: &Sent<'_>,
        departure: Departure,
    ) -> Result<(), WriteError> {
        let asking = sent.of(operation::DESCRIBE_IAM_INSTANCE_PROFILE_ASSOCIATIONS);
        let association = self.association(instance, profile, &asking).await?;
        self.shared.budget.acquire().await;
        let question = ec2::question(vec![("AssociationId", association)]);
        self.send_by_hand::<Element>(&EC2, &instance.region, question, sent, departure)
            .await
    }

    /// The id of the instance's association with this profile.
    async fn association(
        &self,
        instance: &InstanceId,
        profile: &Arn,
        asking: &Sent<'_>,
    ) -> Result<String, WriteError> {
        let question = ec2::question(ec2::association_parameters(Some(&instance.arn), None));
        let (operation, region) = (asking.operation(), &instance.region);
        let answer: Element = self
            .regional
            .ask_by_hand(&EC2, region, operation, question, None)
            .await
            .map_err(|error| not_sent(AwsError::from_sdk(asking.scope, error)))?;
        let place = ec2::Place {
            region,
            account: &self.shared.account,
            partition: &self.shared.partition,
        };
        let unusable = |why: String| not_sent(AwsError::unusable(asking.scope, why));
        let (associations, _) = place.associations(&answer).map_err(|odd| unusable(odd.0))?;
        let known = associations.into_iter().find(|one| one.profile.arn == *profile);
        let none = || unusable(format!("the instance has no association with {profile}"));
        known.map(|one| one.id).ok_or_else(none)
    }

    async fn start_logging(
        &self,
        trail: &TrailName,
        sent: &Sent<'_>,
        departure: Departure,
    ) -> Result<(), WriteError> {
        let call = self
            .regional
            .cloudtrail(&trail.home)
            .start_logging()
            .name(&trail.name);
        sent.outcome(call.customize().interceptor(departure).send()).await
    }

    /// What is not to be set is not sent: CloudTrail leaves it alone.
    async fn update_trail(
        &self,
        TrailName { home, name }: TrailName,
        update: TrailUpdate,
        sent: &Sent<'_>,
        departure: Departure,
    ) -> Result<(), WriteError> {
        let TrailUpdate {
            multi_region,
            global_service_events,
            log_file_validation,
            log_group,
        } = update;
        // Empty texts take the log group off.
        let arn = |arn: &Arn| arn.as_str().to_owned();
        let group =
            log_group.map(|to| to.map_or_else(Default::default, |to| (arn(&to.group), arn(&to.role))));
        let (group, role) = group.unzip();
        let call = self
            .regional
            .cloudtrail(&home)
            .update_trail()
            .name(name)
            .set_is_multi_region_trail(multi_region)
            .set_include_global_service_events(global_service_events)
            .set_enable_log_file_validation(log_file_validation)
            .set_cloud_watch_logs_log_group_arn(group)
            .set_cloud_watch_logs_role_arn(role);
        sent.outcome(call.customize().interceptor(departure).send()).await
    }

    /// Makes the trail, and lets it log. A trail that was made and does not log yet is made all the same: the next run
    /// finds it stopped.
    async fn create_trail(
        &self,
        settings: TrailSettings,
        sent: &Sent<'_>,
        departure: Departure,
    ) -> Result<(), WriteError> {
        let trail = TrailName {
            home: settings.home_region,
            name: settings.name,
        };
        let destination = settings
            .log_group
            .map(|to| (to.group.to_string(), to.role.to_string()));
        let (group, role) = destination.unzip();
        let call = self
            .regional
            .cloudtrail(&trail.home)
            .create_trail()
            .name(&trail.name)
            .s3_bucket_name(settings.bucket)
            .set_s3_key_prefix(settings.key_prefix)
            .is_multi_region_trail(settings.multi_region)
            .include_global_service_events(settings.global_service_events)
            .enable_log_file_validation(settings.log_file_validation)
            .set_cloud_watch_logs_log_group_arn(group)
            .set_cloud_watch_logs_role_arn(role)
            .set_kms_key_id(settings.kms_key);
        sent.outcome(call.customize().interceptor(departure.clone()).send())
            .await?;
        self.shared.budget.acquire().await;
        let starting = sent.of(operation::START_LOGGING);
        match self.start_logging(&trail, &starting, departure).await {
            Err(WriteError::NotSent(error) | WriteError::Refused(error)) => Err(WriteError::Unknown(error)),
            outcome => outcome,
        }
    }
}

/// What was asked for the change did not come, so the change was never sent.
fn not_sent(error: AwsError) -> WriteError {
    WriteError::NotSent(Box::new(error))
}

fn transformation(feed: &Feed) -> Value {
    json!({
        "metricNamespace": feed.metric.namespace,
        "metricName": feed.metric.name,
        "metricValue": feed.value,
    })
}

/// At most five actions are allowed, and one is what is ever made.
const ACTIONS: [&str; 5] = [
    "AlarmActions.member.1",
    "AlarmActions.member.2",
    "AlarmActions.member.3",
    "AlarmActions.member.4",
    "AlarmActions.member.5",
];

fn alarm_parameters(alarm: MetricAlarm) -> Vec<(&'static str, String)> {
    let MetricAlarm {
        name,
        metrics,
        comparison,
        threshold,
        statistic,
        period,
        evaluation_periods,
        treat_missing_data,
        actions_enabled,
        actions,
    } = alarm;
    let mut parameters = vec![
        ("AlarmName", name),
        ("ComparisonOperator", comparison),
        ("Threshold", threshold),
        ("EvaluationPeriods", evaluation_periods.to_string()),
        ("ActionsEnabled", actions_enabled.to_string()),
    ];
    for metric in metrics {
        parameters.extend([("Namespace", metric.namespace), ("MetricName", metric.name)]);
    }
    parameters.extend(statistic.map(|statistic| ("Statistic", statistic)));
    parameters.extend(period.map(|period| ("Period", period.to_string())));
    parameters.extend(treat_missing_data.map(|how| ("TreatMissingData", how)));
    parameters.extend(ACTIONS.into_iter().zip(actions));
    parameters
}
