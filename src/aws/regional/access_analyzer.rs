//! Access Analyzer, read: analyzers, and what they found.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::super::errors::{AwsError, Scope};
use super::super::operation;
use super::super::pages::Pages;
use super::super::reader::{Reader, usable};
use super::wire::{Question, Service};
use crate::inventory::{AnalyzerStatus, ExternalAccess, UnusedAccess, UnusedKind, UnusedService};
use crate::model::{AnalyzerKind, AnalyzerSettings, Arn, Region};

pub(super) const ACCESS_ANALYZER: Service = Service {
    prefix: "access-analyzer",
    id: "AccessAnalyzer",
    host: "access-analyzer",
};

/// Most findings of a page.
const PAGE: u32 = 100;
/// The status of findings that nobody archived, and that are still so.
const ACTIVE: &str = "ACTIVE";
const UNUSED_ROLE: &str = "UnusedIAMRole";
const UNUSED_PERMISSION: &str = "UnusedPermission";

/// An analyzer as `ListAnalyzers` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveAnalyzer {
    /// How it is set up.
    pub settings: AnalyzerSettings,
    /// Whether it works.
    pub status: AnalyzerStatus,
    /// Why it does not, as AWS says.
    pub status_reason: Option<String>,
    /// After how many days access counts as unused, where it looks for that.
    pub unused_after_days: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AnalyzersPage {
    analyzers: Vec<ListedAnalyzer>,
    next_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListedAnalyzer {
    arn: Arn,
    name: String,
    #[serde(rename = "type")]
    kind: String,
    status: String,
    status_reason: Option<StatusReason>,
    configuration: Option<Configuration>,
}

#[derive(Debug, Deserialize)]
struct StatusReason {
    code: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Configuration {
    unused_access: Option<UnusedConfiguration>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct UnusedConfiguration {
    unused_access_age: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct FindingsPage<T> {
    findings: Vec<T>,
    next_token: Option<String>,
}

/// A finding of `ListFindings`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListedExternal {
    id: String,
    status: String,
    resource: Arn,
    resource_type: String,
    resource_owner_account: String,
    #[serde(default)]
    is_public: bool,
    #[serde(default)]
    principal: BTreeMap<String, String>,
    #[serde(default)]
    action: Vec<String>,
    #[serde(default)]
    condition: BTreeMap<String, String>,
    error: Option<String>,
}

/// A finding of `ListFindingsV2`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListedUnused {
    id: String,
    status: String,
    resource: Arn,
    resource_owner_account: String,
    finding_type: String,
    analyzed_at: DateTime<Utc>,
    error: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct DetailsPage {
    finding_details: Vec<Details>,
    next_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Details {
    unused_permission_details: Option<UnusedPermission>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct UnusedPermission {
    service_namespace: String,
    last_accessed: Option<DateTime<Utc>>,
    /// None where the whole service is not used.
    #[serde(default)]
    actions: Vec<Value>,
}

impl Reader {
    /// The analyzers of a region, by ARN. `ListAnalyzers`, all pages.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn analyzers(&self, region: &Region) -> Result<Vec<LiveAnalyzer>, AwsError> {
        let scope = self.scope(operation::LIST_ANALYZERS, None);
        let mut analyzers = Vec::new();
        let mut pages = Pages::default();
        loop {
            let token = pages
                .marker()
                .map(|token| format!("?nextToken={}", encoded(&token)));
            let path = format!("/analyzer{}", token.unwrap_or_default());
            let page: AnalyzersPage = self.ask_analyzer(scope, region, get(path)).await?;
            analyzers.extend(page.analyzers.into_iter().map(LiveAnalyzer::from));
            if !usable(scope, pages.turn(page.next_token.is_some(), page.next_token))? {
                break;
            }
        }
        analyzers.sort_by(|a, b| a.settings.arn.cmp(&b.settings.arn));
        Ok(analyzers)
    }

    /// The active findings of an analyzer that looks for access from outside, on resources of this account. `ListFindings`,
    /// all pages: unlike `ListFindingsV2`, it also tells who has access.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn external_access(&self, analyzer: &Arn) -> Result<Vec<ExternalAccess>, AwsError> {
        let scope = self.scope(operation::LIST_FINDINGS, Some(analyzer));
        let listed: Vec<ListedExternal> = self.findings(scope, analyzer, "/finding", json!({})).await?;
        let own = listed.into_iter().filter(|finding| {
            finding.status == ACTIVE && finding.resource_owner_account == self.account().as_str()
        });
        let mut found: Vec<_> = own.map(ExternalAccess::from).collect();
        found.sort_by(|a, b| (&a.resource, &a.id).cmp(&(&b.resource, &b.id)));
        Ok(found)
    }

    /// The active findings of an analyzer that looks for unused access, on roles and on permissions of this account; what is
    /// not used of permissions is left open. `ListFindingsV2`, all pages.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn unused_access(&self, analyzer: &Arn) -> Result<Vec<UnusedAccess>, AwsError> {
        let scope = self.scope(operation::LIST_FINDINGS, Some(analyzer));
        let kinds = json!({"findingType": {"eq": [UNUSED_ROLE, UNUSED_PERMISSION]}});
        let listed: Vec<ListedUnused> = self.findings(scope, analyzer, "/findingv2", kinds).await?;
        let own = listed.into_iter().filter(|finding| {
            finding.status == ACTIVE && finding.resource_owner_account == self.account().as_str()
        });
        let mut found: Vec<_> = own.filter_map(ListedUnused::understood).collect();
        found.sort_by(|a, b| (&a.resource, &a.id).cmp(&(&b.resource, &b.id)));
        Ok(found)
    }

    /// Which services a finding on permissions says are not used. `GetFindingV2`, all pages.
    ///
    /// # Errors
    /// [`AwsError`]; of kind `Gone` where there is no such finding any more.
    pub async fn unused_services(
        &self,
        analyzer: &Arn,
        finding: &str,
    ) -> Result<BTreeMap<String, UnusedService>, AwsError> {
        let scope = self.scope(operation::GET_FINDING, Some(analyzer));
        let region = self.region_of(scope, analyzer)?;
        let mut services = BTreeMap::new();
        let mut pages = Pages::default();
        loop {
            let mut path = format!(
                "/findingv2/{}?analyzerArn={}",
                encoded(finding),
                encoded(analyzer.as_str())
            );
            if let Some(token) = pages.marker() {
                path.push_str("&nextToken=");
                path.push_str(&encoded(&token));
            }
            let page: DetailsPage = self.ask_analyzer(scope, &region, get(path)).await?;
            let details = page.finding_details.into_iter();
            services.extend(
                details
                    .filter_map(|details| details.unused_permission_details)
                    .map(|unused| {
                        let service = UnusedService {
                            last_accessed: unused.last_accessed,
                            whole: unused.actions.is_empty(),
                        };
                        (unused.service_namespace, service)
                    }),
            );
            if !usable(scope, pages.turn(page.next_token.is_some(), page.next_token))? {
                return Ok(services);
            }
        }
    }

    /// All pages of a list of findings that are active and of this account.
    async fn findings<T: DeserializeOwned>(
        &self,
        scope: Scope<'_>,
        analyzer: &Arn,
        path: &str,
        further: Value,
    ) -> Result<Vec<T>, AwsError> {
        let region = self.region_of(scope, analyzer)?;
        let mut filter = json!({
            "status": {"eq": [ACTIVE]},
            "resourceOwnerAccount": {"eq": [self.account()]},
        });
        if let (Value::Object(filter), Value::Object(further)) = (&mut filter, further) {
            filter.extend(further);
        }
        let mut findings = Vec::new();
        let mut pages = Pages::default();
        loop {
            let mut body = json!({"analyzerArn": analyzer, "filter": filter, "maxResults": PAGE});
            if let Some(token) = pages.marker() {
                body["nextToken"] = json!(token);
            }
            let question = Question::Rest {
                method: "POST",
                path: path.to_owned(),
                body: Some(body),
            };
            let page: FindingsPage<T> = self.ask_analyzer(scope, &region, question).await?;
            findings.extend(page.findings);
            if !usable(scope, pages.turn(page.next_token.is_some(), page.next_token))? {
                return Ok(findings);
            }
        }
    }

    async fn ask_analyzer<T: DeserializeOwned>(
        &self,
        scope: Scope<'_>,
        region: &Region,
        question: Question,
    ) -> Result<T, AwsError> {
        let asked = self
            .regional
            .ask_by_hand(&ACCESS_ANALYZER, region, scope.operation, question, None);
        let answer: Value = self.ask(scope, asked).await?;
        serde_json::from_value(answer).map_err(|odd| AwsError::unusable(scope, odd.to_string()))
    }
}

fn get(path: String) -> Question {
    Question::Rest {
        method: "GET",
        path,
        body: None,
    }
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

impl From<ListedAnalyzer> for LiveAnalyzer {
    fn from(listed: ListedAnalyzer) -> Self {
        let unused = listed
            .configuration
            .and_then(|configuration| configuration.unused_access);
        Self {
            settings: AnalyzerSettings {
                arn: listed.arn,
                name: listed.name,
                kind: AnalyzerKind::from_api(&listed.kind),
            },
            status: AnalyzerStatus::from_api(&listed.status),
            status_reason: listed.status_reason.map(|reason| reason.code),
            unused_after_days: unused.and_then(|unused| unused.unused_access_age),
        }
    }
}

impl From<ListedExternal> for ExternalAccess {
    fn from(listed: ListedExternal) -> Self {
        Self {
            id: listed.id,
            resource: listed.resource,
            resource_type: listed.resource_type,
            public: listed.is_public,
            principal: listed.principal,
            actions: listed.action.into_iter().collect::<BTreeSet<_>>(),
            conditions: listed.condition,
            error: listed.error,
        }
    }
}

impl ListedUnused {
    /// `None`: it says something else, or nothing because it failed.
    fn understood(self) -> Option<UnusedAccess> {
        let kind = match self.finding_type.as_str() {
            UNUSED_ROLE => UnusedKind::Role,
            UNUSED_PERMISSION => UnusedKind::Permissions,
            _ => return None,
        };
        self.error.is_none().then_some(UnusedAccess {
            id: self.id,
            resource: self.resource,
            kind,
            analyzed_at: self.analyzed_at,
            services: None,
        })
    }
}
