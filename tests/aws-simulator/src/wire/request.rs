//! What a request is about: its service, its operation, and whose key signed it.

use std::collections::BTreeMap;

use hyper::HeaderMap;
use serde::{Deserialize, Serialize};

use super::query::Query;

/// The services the simulator speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Service {
    /// Identity and Access Management.
    Iam,
    /// Security Token Service.
    Sts,
    /// Secrets Manager.
    SecretsManager,
}

impl Service {
    fn named(name: &str) -> Option<Self> {
        match name {
            "iam" => Some(Self::Iam),
            "sts" => Some(Self::Sts),
            "secretsmanager" => Some(Self::SecretsManager),
            _ => None,
        }
    }

    /// The name in credential scopes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Iam => "iam",
            Self::Sts => "sts",
            Self::SecretsManager => "secretsmanager",
        }
    }

    /// The XML namespace of its answers.
    pub(crate) fn namespace(self) -> &'static str {
        match self {
            Self::Iam => "https://iam.amazonaws.com/doc/2010-05-08/",
            Self::Sts => "https://sts.amazonaws.com/doc/2011-06-15/",
            Self::SecretsManager => "",
        }
    }
}

/// The signature's public part. The signature itself is not checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Signer {
    pub(crate) access_key_id: String,
    pub(crate) region: String,
    pub(crate) service: Option<Service>,
    pub(crate) session_token: Option<String>,
}

impl Signer {
    fn read(headers: &HeaderMap) -> Option<Self> {
        let header = headers.get("authorization")?.to_str().ok()?;
        let scope = header.split("Credential=").nth(1)?.split([',', ' ']).next()?;
        let mut parts = scope.split('/');
        let access_key_id = parts.next()?.to_owned();
        let region = parts.nth(1)?.to_owned();
        let service = parts.next().and_then(Service::named);
        let token = headers
            .get("x-amz-security-token")
            .and_then(|value| value.to_str().ok());
        Some(Self {
            access_key_id,
            region,
            service,
            session_token: token.map(str::to_owned),
        })
    }
}

/// A request, understood as far as it can be without knowing the world.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) service: Service,
    pub(crate) operation: String,
    pub(crate) query: Query,
    pub(crate) signer: Option<Signer>,
}

impl Request {
    /// Reads a POST of the Query or the JSON protocol; `None` if it is neither.
    pub(crate) fn read(headers: &HeaderMap, body: &[u8]) -> Option<Self> {
        let signer = Signer::read(headers);
        let target = headers.get("x-amz-target").and_then(|value| value.to_str().ok());
        if let Some((service, operation)) = target.and_then(|target| target.split_once('.')) {
            let service = Service::named(service)?;
            return Some(Self {
                service,
                operation: operation.to_owned(),
                query: json_query(body),
                signer,
            });
        }
        let query = Query::parse(body);
        let operation = query.optional("Action")?.to_owned();
        let by_version = || match query.optional("Version") {
            Some("2011-06-15") => Service::Sts,
            _ => Service::Iam,
        };
        let service = signer
            .as_ref()
            .and_then(|signer| signer.service)
            .unwrap_or_else(by_version);
        Some(Self {
            service,
            operation,
            query,
            signer,
        })
    }

    /// The parameters as tests may see them: without passwords.
    pub(crate) fn parameters(&self) -> BTreeMap<String, String> {
        let mut parameters = self.query.parameters();
        if let Some(password) = parameters.get_mut("Password") {
            "***".clone_into(password);
        }
        parameters
    }
}

/// The top level of a JSON request as flat parameters, which is all that Secrets Manager needs here.
fn json_query(body: &[u8]) -> Query {
    let fields: BTreeMap<String, serde_json::Value> = serde_json::from_slice(body).unwrap_or_default();
    let text = |value: serde_json::Value| match value {
        serde_json::Value::String(text) => text,
        other @ (serde_json::Value::Null
        | serde_json::Value::Bool(_)
        | serde_json::Value::Number(_)
        | serde_json::Value::Array(_)
        | serde_json::Value::Object(_)) => other.to_string(),
    };
    Query::from_pairs(fields.into_iter().map(|(name, value)| (name, text(value))))
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn headers(authorization: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", HeaderValue::from_static(authorization));
        headers
    }

    #[test]
    fn the_service_and_the_key_come_from_the_credential_scope() {
        let headers = headers(
            "AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/20260901/us-east-1/sts/aws4_request, SignedHeaders=host, Signature=0",
        );
        let request = Request::read(&headers, b"Action=GetCallerIdentity&Version=2011-06-15");
        let request = request.map(|request| (request.service, request.operation, request.signer));
        let signer = Signer {
            access_key_id: "AKIAEXAMPLE".into(),
            region: "us-east-1".into(),
            service: Some(Service::Sts),
            session_token: None,
        };
        assert_eq!(
            request,
            Some((Service::Sts, "GetCallerIdentity".into(), Some(signer)))
        );
    }

    #[test]
    fn without_a_signature_the_version_tells() {
        let request = Request::read(&HeaderMap::new(), b"Action=AssumeRole&Version=2011-06-15");
        assert_eq!(request.map(|request| request.service), Some(Service::Sts));
        assert!(Request::read(&HeaderMap::new(), b"nothing=here").is_none());
    }
}
