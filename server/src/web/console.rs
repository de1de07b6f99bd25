//! The server's side of the console's ports; the fleet's is in `fleet::service`.

use app::account::AccountPort;
use app::account::view::{AboutView, PageContext, UserView};
use app::backend::Operator;
use app::enroll::EnrollPort;
use app::enroll::view::{CreatedToken, EnrolledNode, TokenForm, TokenStatus};
use app::error::UiError;
use domain::access::Action;

use crate::enroll::service::{self as enroll, NewToken};
use crate::enroll::store::TokenRecord;
use crate::error::OpsError;
use crate::events::{Actor, PersonActor};
use crate::fleet;
use crate::ops::Ops;
use crate::people;
use crate::people::service::Caller;

/// Given to every page and server function.
pub struct Console {
    ops: Ops,
    server_name: String,
    base_url: String,
}

impl Console {
    /// `base_url` is where agents and people reach us.
    pub fn new(ops: Ops, base_url: String) -> Self {
        let server_name = base_url.split("://").last().unwrap_or_default().to_owned();
        Self {
            ops,
            server_name,
            base_url,
        }
    }

    /// Everything else.
    pub fn ops(&self) -> &Ops {
        &self.ops
    }

    /// A token that was just made, with what its page needs to say.
    pub async fn created(&self, made: enroll::Made) -> CreatedToken {
        CreatedToken {
            id: made.id,
            token: made.token,
            server_url: self.base_url.clone(),
            insecure_http: self.ops.settings.is_exposed(),
            expires_at_ms: made.expires_at_ms,
            agent_sha256: self.ops.agent_file.find().await.map(|found| found.sha256),
        }
    }

    fn status(&self, token: TokenRecord) -> TokenStatus {
        let mut nodes = Vec::new();
        self.ops.live.for_each(|host| {
            if host.record.token_id == token.id {
                let facts = host.facts.as_ref();
                nodes.push(EnrolledNode {
                    id: host.record.node_id.clone(),
                    name: host.name().to_owned(),
                    os: facts.and_then(|facts| facts.os.clone()),
                    cpu_count: facts.and_then(|facts| facts.cpu_count),
                    reported: host.last_report.is_some(),
                });
            }
        });
        TokenStatus {
            id: token.id,
            system: token.system,
            cluster: token.cluster,
            created_by: token.created_by,
            created_at_ms: token.created_at_ms,
            expires_at_ms: token.expires_at_ms,
            uses: u32::try_from(token.uses).unwrap_or(u32::MAX),
            used: u32::try_from(token.used).unwrap_or(u32::MAX),
            revoked: token.revoked_at_ms.is_some(),
            review: token.review,
            nodes,
            now_ms: self.ops.clock.now().0,
        }
    }
}

/// The same person, as services know them.
pub fn caller(who: &Operator) -> Caller {
    Caller {
        actor: Actor::Person(PersonActor {
            name: who.name.clone(),
            address: who.address.clone(),
            request_id: who.request_id.clone(),
        }),
        role: who.role,
    }
}

#[async_trait::async_trait]
impl AccountPort for Console {
    async fn page_context(&self, who: Option<&Operator>) -> Result<PageContext, UiError> {
        Ok(PageContext {
            now_ms: self.ops.clock.now().0,
            user: who.map(|who| UserView {
                name: who.name.clone(),
                role: who.role,
            }),
            // The request's own cookie decides; see `app::account::api::page_context`.
            theme: String::new(),
            server_name: self.server_name.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            insecure: self.ops.settings.is_exposed(),
            notices: who
                .and_then(|_| self.ops.disk.notice())
                .into_iter()
                .collect(),
            needs_setup: people::service::needs_setup(&self.ops)
                .await
                .map_err(OpsError::from)?,
        })
    }

    async fn about(&self, who: &Operator) -> Result<AboutView, UiError> {
        who.may(Action::ViewFleet)?;
        let now = crate::health::api::found(&self.ops);
        Ok(AboutView {
            server_name: self.server_name.clone(),
            version: now.version.to_owned(),
            protocol: now.protocol,
            server_key_fingerprint: now.server_key_fingerprint,
            now_ms: now.now_ms,
            started_at_ms: now.started_at_ms,
            nodes: now.nodes.into(),
            nodes_ok: now.nodes_ok.into(),
            agent_sessions: wide(now.agent_sessions),
            live_viewers: wide(now.live_viewers),
            reports_stored: now.reports_stored,
            reports_not_stored: now.reports_not_stored,
            commit_us_mean: now.commit_ms_mean.map(|ms| (ms * 1000.0) as u32),
            turned_away: now.shed.values().sum(),
            database_bytes: now.database_bytes.values().sum(),
            disk_free_bytes: now.disk_free_bytes,
            resident_bytes: now.process.resident_bytes,
        })
    }
}

/// Counts as they cross to pages.
fn wide(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[async_trait::async_trait]
impl EnrollPort for Console {
    async fn create_token(&self, who: &Operator, form: TokenForm) -> Result<CreatedToken, UiError> {
        let new = NewToken {
            system: form.system,
            cluster: form.cluster,
            node_role: None,
            ttl: form.ttl,
            uses: i64::from(form.uses),
            review: form.review,
            allows_suggestions: false,
        };
        let made = enroll::create(&self.ops, &caller(who), &new).await?;
        Ok(self.created(made).await)
    }

    async fn token_status(&self, who: &Operator, id: &str) -> Result<TokenStatus, UiError> {
        Ok(self.status(enroll::find(&self.ops, &caller(who), id).await?))
    }

    async fn list_tokens(&self, who: &Operator) -> Result<Vec<TokenStatus>, UiError> {
        let tokens = enroll::list(&self.ops, &caller(who), true).await?;
        Ok(tokens.into_iter().map(|token| self.status(token)).collect())
    }

    async fn revoke_token(&self, who: &Operator, id: &str) -> Result<(), UiError> {
        Ok(enroll::revoke(&self.ops, &caller(who), id).await?)
    }

    async fn clusters(&self, who: &Operator) -> Result<Vec<(String, String)>, UiError> {
        who.may(Action::EnrollNodes)?;
        Ok(fleet::store::list_clusters(self.ops.state.read())
            .await
            .map_err(OpsError::from)?)
    }
}
