//! S3, read: whether a bucket is open to the world.

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::super::convert::{Converted, odd};
use super::super::errors::{AwsError, Scope};
use super::super::operation;
use super::super::reader::{Reader, usable};
use super::element::Element;
use super::wire::{Answer, Question, Service, WireError};
use crate::inventory::BucketExposure;
use crate::model::Region;

const S3: Service = Service {
    prefix: "s3",
    id: "S3",
    host: "s3",
};

/// The groups of access control lists that are everybody.
const EVERYBODY: [&str; 2] = [
    "http://acs.amazonaws.com/groups/global/AllUsers",
    "http://acs.amazonaws.com/groups/global/AuthenticatedUsers",
];

impl Reader {
    /// Whether a bucket is open to everybody: by its policy, by its access control list, and what of both its public
    /// access block bars. `near` is a region to ask first; S3 says where the bucket is. `GetBucketPolicyStatus`,
    /// `GetBucketAcl`, `GetPublicAccessBlock`.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn bucket_exposure(&self, bucket: &str, near: &Region) -> Result<BucketExposure, AwsError> {
        let status = self.ask_s3(operation::GET_BUCKET_POLICY_STATUS, bucket, "policyStatus", near);
        let (scope, status) = status.await;
        let policy_is_public = match absent(status, "NoSuchBucketPolicy") {
            Ok(Some(answer)) => usable(scope, policy_is_public(&answer))?,
            Ok(None) => false,
            Err(error) => return Err(AwsError::from_sdk(scope, error)),
        };
        let (scope, list) = self.ask_s3(operation::GET_BUCKET_ACL, bucket, "acl", near).await;
        let list = list.map_err(|error| AwsError::from_sdk(scope, error))?;
        let acl_is_public = usable(scope, list_is_public(&list))?;
        let block = self.ask_s3(
            operation::GET_BUCKET_PUBLIC_ACCESS_BLOCK,
            bucket,
            "publicAccessBlock",
            near,
        );
        let (scope, block) = block.await;
        let (policies_barred, acls_barred) = match absent(block, "NoSuchPublicAccessBlockConfiguration") {
            Ok(Some(answer)) => usable(scope, barred(&answer))?,
            Ok(None) => (false, false),
            Err(error) => return Err(AwsError::from_sdk(scope, error)),
        };
        Ok(BucketExposure {
            public_policy: policy_is_public && !policies_barred,
            public_acl: acl_is_public && !acls_barred,
        })
    }

    async fn ask_s3<'a>(
        &'a self,
        operation: &'static str,
        bucket: &str,
        what: &str,
        near: &Region,
    ) -> (Scope<'a>, Answer) {
        let path = format!("/{}?{what}", utf8_percent_encode(bucket, NON_ALPHANUMERIC));
        let ask = async |region: &Region| {
            self.shared.budget.acquire().await;
            let question = Question::Path(path.clone());
            self.regional
                .ask_by_hand(&S3, region, operation, question, None)
                .await
        };
        let mut answer = ask(near).await;
        if let Some(home) = answer
            .as_ref()
            .err()
            .and_then(elsewhere)
            .filter(|home| home != near)
        {
            answer = ask(&home).await;
        }
        (self.scope(operation, None), answer)
    }
}

/// An error that only says that there is no such setting is an answer.
#[allow(clippy::result_large_err, reason = "it is the SDK's own error, handed on")]
fn absent(answer: Answer, code: &str) -> Result<Option<Element>, SdkError<WireError, HttpResponse>> {
    use aws_smithy_types::error::metadata::ProvideErrorMetadata;
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.code() == Some(code) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Where S3 says that the bucket is, in an answer that refuses to serve it here.
fn elsewhere(error: &SdkError<WireError, HttpResponse>) -> Option<Region> {
    let header = error.raw_response()?.headers().get("x-amz-bucket-region")?;
    Region::parse(header).ok()
}

fn policy_is_public(answer: &Element) -> Converted<bool> {
    let status = answer.find("PolicyStatus");
    let flag = status.and_then(|status| status.text_of("IsPublic"));
    match flag.map(str::to_ascii_lowercase).as_deref() {
        Some("true") => Ok(true),
        Some("false") => Ok(false),
        Some(_) | None => Err(odd("the answer does not say whether the policy is public")),
    }
}

fn list_is_public(answer: &Element) -> Converted<bool> {
    answer.needed("AccessControlList")?;
    let mut grants = answer.members("AccessControlList", "Grant");
    Ok(grants.any(|grant| {
        let uri = grant.child("Grantee").and_then(|grantee| grantee.text_of("URI"));
        uri.is_some_and(|uri| EVERYBODY.contains(&uri))
    }))
}

/// Whether public policies, and public access control lists, have no effect.
fn barred(answer: &Element) -> Converted<(bool, bool)> {
    let block = answer.find("PublicAccessBlockConfiguration");
    let block = block.ok_or_else(|| odd("the answer holds no public access block"))?;
    let flag = |name: &str| {
        block
            .text_of(name)
            .is_some_and(|text| text.eq_ignore_ascii_case("true"))
    };
    Ok((flag("RestrictPublicBuckets"), flag("IgnorePublicAcls")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Element {
        Element::parse(text).unwrap()
    }

    #[test]
    fn a_policy_is_public_only_where_s3_says_so() {
        let status = |text: &str| {
            policy_is_public(&parse(&format!(
                "<PolicyStatus><IsPublic>{text}</IsPublic></PolicyStatus>"
            )))
        };
        assert_eq!(status("TRUE"), Ok(true));
        assert_eq!(status("false"), Ok(false));
        assert!(status("maybe").is_err());
        assert!(policy_is_public(&parse("<ListBucketResult/>")).is_err());
    }

    #[test]
    fn a_list_is_public_where_it_names_everybody() {
        let list = |uri: &str| {
            parse(&format!(
                "<AccessControlPolicy><AccessControlList><Grant><Grantee><ID>x</ID></Grantee></Grant>\
                 <Grant><Grantee><URI>{uri}</URI></Grantee></Grant></AccessControlList></AccessControlPolicy>"
            ))
        };
        assert_eq!(list_is_public(&list(EVERYBODY[0])), Ok(true));
        assert_eq!(
            list_is_public(&list("http://acs.amazonaws.com/groups/s3/LogDelivery")),
            Ok(false)
        );
        assert!(list_is_public(&parse("<ListBucketResult/>")).is_err());
    }
}
