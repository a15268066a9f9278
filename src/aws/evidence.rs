//! What AWS makes on demand: the credential report and Access Advisor's reports. Asked for, then polled, within limits.

use std::collections::BTreeMap;

use aws_sdk_iam::operation::get_credential_report::GetCredentialReportOutput;
use aws_sdk_iam::operation::get_service_last_accessed_details::GetServiceLastAccessedDetailsOutput as JobPage;
use aws_sdk_iam::types::{
    AccessAdvisorUsageGranularityType, JobStatusType, ReportFormatType, ReportStateType,
};
use chrono::{DateTime, Utc};

use super::convert::{self, Odd};
use super::errors::{AwsError, ErrorKind, Scope};
use super::operation;
use super::pages::{PAGE, Pages};
use super::reader::{Polling, Reader, ReportFile, usable};
use crate::inventory::{Granularity, ServiceLastAccessed, ServiceUse};
use crate::model::Arn;

/// `GetCredentialReport`: there is none.
const REPORT_NOT_PRESENT: [&str; 2] = ["ReportNotPresent", "CredentialReportNotPresentException"];
/// `GetCredentialReport`: the last one is too old to be handed out.
const REPORT_EXPIRED: [&str; 2] = ["ReportExpired", "CredentialReportExpiredException"];
/// `GetCredentialReport`: not ready yet.
const REPORT_IN_PROGRESS: [&str; 2] = ["ReportInProgress", "CredentialReportNotReadyException"];

/// How an Access Advisor job ended that did not end well.
enum JobFailure {
    /// The job is not there: it belongs to another role session, or is too old.
    Lost(AwsError),
    /// Anything else.
    Failed(AwsError),
}

impl From<AwsError> for JobFailure {
    fn from(error: AwsError) -> Self {
        Self::Failed(error)
    }
}

impl Reader {
    /// The credential report, made anew where AWS has none (it makes one every four hours at most).
    /// `GenerateCredentialReport`, `GetCredentialReport`.
    ///
    /// # Errors
    /// [`AwsError`]; `Timeout` where it is not ready within a minute.
    pub async fn credential_report(&self) -> Result<ReportFile, AwsError> {
        let pace = &self.shared.pace;
        let mut polling = Polling::new(pace.first_report_poll, pace.longest_poll, pace.report);
        // Over its limit AWS makes no report now, yet may have one.
        let mut over_limit = None;
        let mut ready = match self.generate_report().await {
            Ok(ready) => ready,
            Err(error) if error.kind == ErrorKind::LimitExceeded => {
                over_limit = Some(error);
                true
            }
            Err(error) => return Err(error),
        };
        let scope = self.scope(operation::GET_CREDENTIAL_REPORT, None);
        loop {
            if !ready && !polling.pause().await {
                let waited = format!("not ready after {} s", pace.report.as_secs());
                return Err(AwsError::plain(scope, ErrorKind::Timeout, waited));
            }
            ready = false;
            let error = match self.ask(scope, self.iam.get_credential_report().send()).await {
                Ok(answer) => return usable(scope, report_file(answer)),
                Err(error) => error,
            };
            let says = |codes: [&str; 2]| error.code.as_deref().is_some_and(|code| codes.contains(&code));
            if says(REPORT_IN_PROGRESS) {
                continue;
            }
            if !says(REPORT_NOT_PRESENT) && !says(REPORT_EXPIRED) {
                return Err(error);
            }
            if let Some(refused) = over_limit {
                return Err(refused);
            }
            // Not there yet, or no more: ask again, and wait in any case, so that this cannot become a hot loop.
            self.generate_report().await?;
        }
    }

    /// Asks for a report; `true`: there is one.
    async fn generate_report(&self) -> Result<bool, AwsError> {
        let scope = self.scope(operation::GENERATE_CREDENTIAL_REPORT, None);
        let answer = self
            .ask(scope, self.iam.generate_credential_report().send())
            .await?;
        Ok(answer.state == Some(ReportStateType::Complete))
    }

    /// When a user, group or role last used each service that its policies let it use. A job of Access Advisor: always a
    /// new one, because a job belongs to the role session that made it. By action the same calls bring more.
    /// `GenerateServiceLastAccessedDetails`, `GetServiceLastAccessedDetails`, all pages.
    ///
    /// # Errors
    /// [`AwsError`]; `Gone` where the principal is not there any more, `Unusable` where the job failed, `Timeout` where
    /// it did not complete in time. None of these is "not used".
    pub async fn service_last_accessed(
        &self,
        principal: &Arn,
        granularity: Granularity,
    ) -> Result<ServiceLastAccessed, AwsError> {
        match self.run_job(principal, granularity).await {
            Ok(report) => Ok(report),
            Err(JobFailure::Failed(error)) => Err(error),
            // Credentials may have been renewed in between: once more.
            Err(JobFailure::Lost(_)) => match self.run_job(principal, granularity).await {
                Ok(report) => Ok(report),
                Err(JobFailure::Failed(error)) => Err(error),
                Err(JobFailure::Lost(error)) => {
                    let scope = self.scope(operation::GET_SERVICE_LAST_ACCESSED_DETAILS, Some(principal));
                    Err(AwsError::unusable(
                        scope,
                        format!("AWS lost the job twice: {}", error.message),
                    ))
                }
            },
        }
    }

    async fn run_job(
        &self,
        principal: &Arn,
        granularity: Granularity,
    ) -> Result<ServiceLastAccessed, JobFailure> {
        let scope = self.scope(operation::GENERATE_SERVICE_LAST_ACCESSED_DETAILS, Some(principal));
        let call = self.iam.generate_service_last_accessed_details();
        let call = call.arn(principal.as_str()).granularity(match granularity {
            Granularity::Service => AccessAdvisorUsageGranularityType::ServiceLevel,
            Granularity::Action => AccessAdvisorUsageGranularityType::ActionLevel,
        });
        let job = self.ask(scope, call.send()).await?.job_id;
        let job = job.ok_or_else(|| AwsError::unusable(scope, "the id of the job is missing"))?;

        let scope = self.scope(operation::GET_SERVICE_LAST_ACCESSED_DETAILS, Some(principal));
        let pace = &self.shared.pace;
        let mut polling = Polling::new(pace.first_job_poll, pace.longest_poll, pace.advisor);
        let first = loop {
            if !polling.pause().await {
                let waited = format!("the job did not complete within {} s", pace.advisor.as_secs());
                return Err(AwsError::plain(scope, ErrorKind::Timeout, waited).into());
            }
            let page = self.job_page(scope, &job, None).await?;
            if page.job_status != JobStatusType::InProgress {
                break page;
            }
        };
        let completed_at = usable(scope, completion(&first))?;
        let mut services = BTreeMap::new();
        let mut pages = Pages::default();
        let mut page = first;
        loop {
            usable(scope, completion(&page))?;
            let (truncated, marker) = (page.is_truncated, page.marker.take());
            usable(scope, add_services(&mut services, page))?;
            if !usable(scope, pages.turn(truncated, marker))? {
                break;
            }
            page = self.job_page(scope, &job, pages.marker()).await?;
        }
        Ok(ServiceLastAccessed {
            completed_at,
            services,
        })
    }

    async fn job_page(
        &self,
        scope: Scope<'_>,
        job: &str,
        marker: Option<String>,
    ) -> Result<JobPage, JobFailure> {
        let call = self.iam.get_service_last_accessed_details().job_id(job);
        let asked = self
            .ask(scope, call.set_marker(marker).max_items(PAGE).send())
            .await;
        asked.map_err(|error| match error.kind {
            ErrorKind::Gone => JobFailure::Lost(error),
            ErrorKind::Throttled
            | ErrorKind::Denied
            | ErrorKind::Credentials
            | ErrorKind::Conflict
            | ErrorKind::LimitExceeded
            | ErrorKind::Unmodifiable
            | ErrorKind::Network
            | ErrorKind::Timeout
            | ErrorKind::Service
            | ErrorKind::Unusable
            | ErrorKind::Other => JobFailure::Failed(error),
        })
    }
}

fn report_file(answer: GetCredentialReportOutput) -> Result<ReportFile, Odd> {
    let missing = |what: &str| Odd(format!("{what} of the report is missing"));
    if answer
        .report_format
        .is_some_and(|format| format != ReportFormatType::TextCsv)
    {
        return Err(Odd("the report is not CSV".to_owned()));
    }
    let made = answer.generated_time.ok_or_else(|| missing("the date"))?;
    Ok(ReportFile {
        generated_at: convert::instant(&made, "the date of the report")?,
        content: answer.content.ok_or_else(|| missing("the content"))?.into_inner(),
    })
}

/// When the job completed; an error for everything but a completed job.
fn completion(page: &JobPage) -> Result<DateTime<Utc>, Odd> {
    if page.job_status == JobStatusType::Failed {
        let why = page.error.as_ref().map_or_else(
            || "no reason given".to_owned(),
            |error| format!("{}: {}", error.code, error.message),
        );
        return Err(Odd(format!("the job failed ({why})")));
    }
    if page.job_status != JobStatusType::Completed {
        return Err(Odd(format!("the job is {}", page.job_status.as_str())));
    }
    convert::instant(&page.job_completion_date, "the completion date of the job")
}

fn add_services(services: &mut BTreeMap<String, ServiceUse>, page: JobPage) -> Result<(), Odd> {
    // A job by service says nothing of actions, whatever was asked for.
    let by_action = page.job_type == Some(AccessAdvisorUsageGranularityType::ActionLevel);
    for service in page.services_last_accessed {
        if service.service_namespace.is_empty() {
            return Err(Odd("a service has no name".to_owned()));
        }
        let last_authenticated = match service.last_authenticated {
            Some(date) => Some(convert::instant(&date, "the last use of a service")?),
            None => None,
        };
        let entry = services
            .entry(service.service_namespace.to_ascii_lowercase())
            .or_default();
        // Two rows of one service: the later use counts.
        entry.last_authenticated = entry.last_authenticated.max(last_authenticated);
        let tracked = service.tracked_actions_last_accessed.unwrap_or_default();
        for action in tracked.into_iter().filter(|_| by_action) {
            let name = action.action_name.filter(|name| !name.is_empty());
            let name = name.ok_or_else(|| Odd("an action has no name".to_owned()))?;
            let last = match action.last_accessed_time {
                Some(date) => Some(convert::instant(&date, "the last use of an action")?),
                None => None,
            };
            let known = entry
                .tracked_actions
                .entry(name.to_ascii_lowercase())
                .or_default();
            *known = (*known).max(last);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use aws_sdk_iam::types::{
        AccessAdvisorUsageGranularityType as Kind, ErrorDetails, ServiceLastAccessed as Row,
        TrackedActionLastAccessed as Tracked,
    };
    use aws_smithy_types::DateTime as SdkDate;

    use super::*;

    fn page(status: JobStatusType, rows: &[(&str, Option<i64>)]) -> JobPage {
        let rows = rows.iter().map(|(name, at)| {
            Row::builder()
                .service_name(*name)
                .service_namespace(*name)
                .set_last_authenticated(at.map(SdkDate::from_secs))
                .build()
                .unwrap()
        });
        JobPage::builder()
            .job_status(status)
            .job_creation_date(SdkDate::from_secs(1_700_000_000))
            .job_completion_date(SdkDate::from_secs(1_700_000_010))
            .set_services_last_accessed(Some(rows.collect()))
            .build()
            .unwrap()
    }

    #[test]
    fn only_a_completed_job_says_anything() {
        assert!(completion(&page(JobStatusType::Completed, &[])).is_ok());
        assert!(completion(&page(JobStatusType::InProgress, &[])).is_err());
        assert!(completion(&page("PAUSED".into(), &[])).is_err());
        let mut failed = page(JobStatusType::Failed, &[]);
        failed.error = Some(ErrorDetails::builder().code("E").message("m").build().unwrap());
        assert_eq!(completion(&failed), Err(Odd("the job failed (E: m)".to_owned())));
        let mut undated = page(JobStatusType::Completed, &[]);
        undated.job_completion_date = SdkDate::from_secs(0);
        assert!(completion(&undated).is_err());
    }

    #[test]
    fn services_are_named_in_lower_case_and_the_later_use_counts() {
        let mut services = BTreeMap::new();
        let rows = [("S3", None), ("s3", Some(1_700_000_000)), ("sqs", None)];
        add_services(&mut services, page(JobStatusType::Completed, &rows)).unwrap();
        assert_eq!(services.len(), 2);
        assert!(services["s3"].last_authenticated.is_some());
        assert_eq!(services["sqs"].last_authenticated, None);
    }
    #[test]
    fn actions_count_where_the_job_was_by_action() {
        let tracked = |name: &str, at: Option<i64>| {
            let tracked = Tracked::builder().action_name(name);
            tracked.set_last_accessed_time(at.map(SdkDate::from_secs)).build()
        };
        let of = |kind: Option<Kind>| {
            let mut page = page(
                JobStatusType::Completed,
                &[("s3", Some(1_700_000_000)), ("sqs", None)],
            );
            page.job_type = kind;
            let actions = vec![
                tracked("CreateBucket", None),
                tracked("createbucket", Some(1_700_000_000)),
                tracked("DeleteBucket", None),
            ];
            page.services_last_accessed[0].tracked_actions_last_accessed = Some(actions);
            let mut services = BTreeMap::new();
            add_services(&mut services, page).map(|()| services["s3"].tracked_actions.clone())
        };
        let actions = of(Some(Kind::ActionLevel)).unwrap();
        assert_eq!(actions.len(), 2);
        assert!(actions["createbucket"].is_some() && actions["deletebucket"].is_none());
        assert!(of(Some(Kind::ServiceLevel)).unwrap().is_empty());
        assert!(of(None).unwrap().is_empty());
    }
}
