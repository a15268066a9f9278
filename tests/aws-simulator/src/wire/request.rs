//! What a request is about: its service, its operation, and whose key signed it.

use std::collections::BTreeMap;

use hyper::{HeaderMap, Method, Uri};
use serde_json::{Map, Value};

use super::query::Query;
use super::service::{Protocol, Service};
use super::{cbor, nested, routes};

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
    /// The body could not be read.
    pub(crate) is_broken: bool,
    pub(crate) signer: Option<Signer>,
}

impl Request {
    /// Reads a request of one of the protocols; `None` if it is of none.
    pub(crate) fn read(method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Option<Self> {
        let signer = Signer::read(headers);
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        if let Some((prefix, operation)) = header("x-amz-target").and_then(|target| target.rsplit_once('.')) {
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
        if header("smithy-protocol") == Some("rpc-v2-cbor") {
            return Self::cbor(uri.path(), body, signer);
        }
        match signer.as_ref().and_then(|signer| signer.service) {
            Some(service @ Service::AccessAnalyzer) => {
                Some(Self::rest(service, Protocol::RestJson, method, uri, body, signer))
            }
            Some(service @ Service::S3) => {
                Some(Self::rest(service, Protocol::RestXml, method, uri, &[], signer))
            }
            Some(
                Service::Iam
                | Service::Sts
                | Service::SecretsManager
                | Service::Ec2
                | Service::CloudTrail
                | Service::Logs
                | Service::CloudWatch
                | Service::Sns
                | Service::Organizations,
            )
            | None => Self::form(body, signer),
        }
    }

    /// `/service/GraniteServiceVersion20100801/operation/DescribeAlarms`
    fn cbor(path: &str, body: &[u8], signer: Option<Signer>) -> Option<Self> {
        let (service, operation) = path.strip_prefix("/service/")?.split_once("/operation/")?;
        let service = Service::targeted(service)?;
        let input = cbor::decode(body);
        Some(Self::structured(
            service,
            Protocol::Cbor,
            operation,
            input,
            signer,
        ))
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
            input: if service == Service::CloudWatch {
                nested::read(&query)
            } else {
                Value::Null
            },
            query,
            is_broken: false,
            signer,
        })
    }

    /// A request whose operation is in method and path, and whose parameters are there, in the query and in the body.
    fn rest(
        service: Service,
        protocol: Protocol,
        method: &Method,
        uri: &Uri,
        body: &[u8],
        signer: Option<Signer>,
    ) -> Self {
        let query = uri.query().unwrap_or_default();
        let Some((operation, in_path)) = routes::route(service, method.as_str(), uri.path(), query) else {
            let unknown = format!("{method} {}", uri.path());
            return Self::structured(service, protocol, &unknown, Some(Value::Null), signer);
        };
        let Some(Value::Object(mut parameters)) = json(body) else {
            return Self::structured(service, protocol, operation, None, signer);
        };
        let in_query = form_urlencoded::parse(query.as_bytes()).into_owned();
        parameters.extend(in_query.map(|(name, value)| (name, Value::String(value))));
        parameters.extend(in_path);
        let input = Some(Value::Object(parameters));
        Self::structured(service, protocol, operation, input, signer)
    }

    fn structured(
        service: Service,
        protocol: Protocol,
        operation: &str,
        input: Option<Value>,
        signer: Option<Signer>,
    ) -> Self {
        let is_broken = input.is_none();
        let input = input.unwrap_or_default();
        Self {
            service,
            protocol,
            operation: operation.to_owned(),
            query: flat(&input),
            input,
            is_broken,
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

/// A body of JSON; an empty one has no parameters.
fn json(body: &[u8]) -> Option<Value> {
    if body.is_empty() {
        return Some(Value::Object(Map::new()));
    }
    serde_json::from_slice(body).ok()
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
