//! What a request is about: its service, its operation, and whose key signed it.

use std::collections::BTreeMap;

use hyper::{HeaderMap, Method, Uri};
use serde_json::{Map, Value};

use super::query::Query;
use super::routes;
use super::service::{Protocol, Service};

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
    pub(crate) protocol: Protocol,
    pub(crate) operation: String,
    /// The parameters of a form; those of other protocols as far as they are flat.
    pub(crate) query: Query,
    /// The parameters of other protocols.
    pub(crate) input: Value,
    pub(crate) signer: Option<Signer>,
}

impl Request {
    /// Reads a request of one of the protocols; `None` if it is of none.
    pub(crate) fn read(method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Option<Self> {
        let signer = Signer::read(headers);
        let target = headers.get("x-amz-target").and_then(|value| value.to_str().ok());
        if let Some((prefix, operation)) = target.and_then(|target| target.rsplit_once('.')) {
            let service = Service::targeted(prefix)?;
            let input = serde_json::from_slice(body).unwrap_or_default();
            return Some(Self::structured(
                service,
                Protocol::Json,
                operation,
                input,
                signer,
            ));
        }
        match signer.as_ref().and_then(|signer| signer.service) {
            Some(Service::AccessAnalyzer) => Some(Self::rest(method, uri, body, signer)),
            Some(Service::Iam | Service::Sts | Service::SecretsManager | Service::Ec2) | None => {
                Self::form(body, signer)
            }
        }
    }

    fn form(body: &[u8], signer: Option<Signer>) -> Option<Self> {
        let query = Query::parse(body);
        let operation = query.optional("Action")?.to_owned();
        let service = signer.as_ref().and_then(|signer| signer.service);
        let service = service.unwrap_or_else(|| Service::versioned(query.optional("Version")));
        Some(Self {
            service,
            protocol: if service == Service::Ec2 {
                Protocol::Ec2
            } else {
                Protocol::Query
            },
            operation,
            query,
            input: Value::Null,
            signer,
        })
    }

    /// A request whose operation is in method and path, and whose parameters are there, in the query and in the body.
    fn rest(method: &Method, uri: &Uri, body: &[u8], signer: Option<Signer>) -> Self {
        let (service, protocol) = (Service::AccessAnalyzer, Protocol::RestJson);
        let Some((operation, in_path)) = routes::route(service, method.as_str(), uri.path()) else {
            let unknown = format!("{method} {}", uri.path());
            return Self::structured(service, protocol, &unknown, Value::Null, signer);
        };
        let mut parameters: Map<String, Value> = serde_json::from_slice(body).unwrap_or_default();
        let in_query = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned();
        parameters.extend(in_query.map(|(name, value)| (name, Value::String(value))));
        parameters.extend(in_path);
        Self::structured(service, protocol, operation, Value::Object(parameters), signer)
    }

    fn structured(
        service: Service,
        protocol: Protocol,
        operation: &str,
        input: Value,
        signer: Option<Signer>,
    ) -> Self {
        Self {
            service,
            protocol,
            operation: operation.to_owned(),
            query: flat(&input),
            input,
            signer,
        }
    }

    /// The region the request is signed for.
    pub(crate) fn region(&self) -> &str {
        self.signer.as_ref().map_or("us-east-1", |signer| &signer.region)
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

/// The top level of structured parameters as flat ones: texts as they are, all else as JSON.
fn flat(input: &Value) -> Query {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let fields = input.as_object().into_iter().flatten();
    Query::from_pairs(fields.map(|(name, value)| (name.clone(), text(value))))
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

    fn read(headers: &HeaderMap, body: &[u8]) -> Option<Request> {
        Request::read(&Method::POST, &Uri::from_static("/"), headers, body)
    }

    #[test]
    fn the_service_and_the_key_come_from_the_credential_scope() {
        let headers = headers(
            "AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/20260901/us-east-1/sts/aws4_request, SignedHeaders=host, Signature=0",
        );
        let request = read(&headers, b"Action=GetCallerIdentity&Version=2011-06-15");
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
        let request = read(&HeaderMap::new(), b"Action=AssumeRole&Version=2011-06-15");
        assert_eq!(request.map(|request| request.service), Some(Service::Sts));
        assert!(read(&HeaderMap::new(), b"nothing=here").is_none());
    }
}
