//! The OpenAPI document, made from the handlers themselves.

use axum::Json;
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};

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
        crate::series::api::definitions,
        crate::topology::api::find,
        crate::events::api::list
    ),
    modifiers(&Token)
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

/// `/api/v1/openapi.json`
pub async fn document() -> Json<utoipa::openapi::OpenApi> {
    Json(Document::openapi())
}
