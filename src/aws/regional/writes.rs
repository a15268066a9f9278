//! Changes to what lives in regions, each by one call, sent once. Only [`Writer::perform`] leads here.

use super::super::meter::Departure;
use super::super::operation;
use super::super::writer::{Sent, WriteError, Writer};
use super::request::{RegionalRequest, TrailName};
use crate::model::{Arn, TrailSettings, TrailUpdate};

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
                sent.outcome(call.customize().interceptor(departure).send().await)
            }
            RegionalRequest::UpdateTrail(trail, update) => {
                self.update_trail(trail, update, sent, departure).await
            }
            RegionalRequest::CreateTrail(settings) => self.create_trail(*settings, sent, departure).await,
            RegionalRequest::DeleteTrail(TrailName { home, name }) => {
                let call = self.regional.cloudtrail(&home).delete_trail().name(name);
                sent.outcome(call.customize().interceptor(departure).send().await)
            }
        }
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
        sent.outcome(call.customize().interceptor(departure).send().await)
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
        sent.outcome(call.customize().interceptor(departure).send().await)
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
        sent.outcome(call.customize().interceptor(departure.clone()).send().await)?;
        self.shared.budget.acquire().await;
        let starting = sent.of(operation::START_LOGGING);
        match self.start_logging(&trail, &starting, departure).await {
            Err(WriteError::NotSent(error) | WriteError::Refused(error)) => Err(WriteError::Unknown(error)),
            outcome => outcome,
        }
    }
}
