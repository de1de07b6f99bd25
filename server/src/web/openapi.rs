//! The OpenAPI document, made from the handlers themselves.

use axum::Json;
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Content, Ref, RefOr, ResponseBuilder};

/// What programs may call.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Operations Center",
        description = "Ids are strings; instants are `…_at_ms`, milliseconds UTC; errors are `application/problem+json`.",
        license(name = "Apache-2.0")
    ),
    paths(
        crate::health::api::about,
        crate::health::api::metrics,
        crate::fleet::api::list,
        crate::fleet::api::find,
        crate::fleet::clusters::api::list,
        crate::fleet::clusters::api::find,
        crate::fleet::sections::find,
        crate::series::api::find,
        crate::series::api::list,
        crate::series::api::definitions,
        crate::topology::api::find,
        crate::events::api::list
    ),
    modifiers(&Token, &Operations)
)]
pub struct Document;

struct Token;

impl utoipa::Modify for Token {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("`oca_…`, from `operations-center api-token create`"))
            .build();
        document
            .components
            .get_or_insert_with(Default::default)
            .add_security_scheme("token", SecurityScheme::Http(bearer));
    }
}

/// What is the same of all: a name of its own, and what refuses before a handler is asked.
struct Operations;

impl utoipa::Modify for Operations {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        for (path, item) in &mut document.paths.paths {
            let words: Vec<&str> = path
                .split(|c: char| !c.is_ascii_alphanumeric())
                .filter(|word| !matches!(*word, "" | "api" | "v1"))
                .collect();
            // Programs only read yet; a test sees to it that no operation is left without its name.
            let Some(operation) = &mut item.get else {
                continue;
            };
            operation.operation_id = Some(format!("get_{}", words.join("_")));
            for (status, meaning) in [
                ("401", "No credential, or one that is no longer good"),
                ("403", "The token's role may not do this"),
                ("429", "Too many attempts; see Retry-After"),
                ("503", "The server is busy; see Retry-After"),
            ] {
                let response = ResponseBuilder::new().description(meaning).content(
                    "application/problem+json",
                    Content::new(Some(Ref::from_schema_name("Problem"))),
                );
                let responses = &mut operation.responses.responses;
                responses.insert(status.to_owned(), RefOr::T(response.build()));
            }
            // The handlers say which refusals they have, and as what all refusals come is said once, here.
            for (status, response) in &mut operation.responses.responses {
                if let RefOr::T(response) = response
                    && status.starts_with(['4', '5'])
                    && let Some(content) = response.content.swap_remove("application/json")
                {
                    response
                        .content
                        .insert("application/problem+json".to_owned(), content);
                }
            }
        }
    }
}

/// `/api/v1/openapi.json`
pub async fn document() -> Json<utoipa::openapi::OpenApi> {
    Json(Document::openapi())
}
