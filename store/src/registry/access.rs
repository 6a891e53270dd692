//! Access to a registry: the tokens of requests, and how they are obtained and renewed.
//!
//! A request first goes without a login. If the registry refuses it, the answer says how to log in, and the request
//! goes again. Later requests carry the token until it expires.

use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::future::BoxFuture;
use reqwest::header::{CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use reqwest::{Method, Response, StatusCode};
use serde::Deserialize;
use tokio::sync::Mutex;

use super::challenge::Challenge;
use super::login::{Login, find_login};
use super::{RegistryLogins, RegistryUrl, Rights};
use crate::http::{Body, LoggedIn, Request, Route, check_whole};
use crate::{HttpClient, Meter, StoreError};

/// The largest answer of a server of tokens. Real ones have a few kilobytes.
const MAX_ANSWER_BYTES: u64 = 256 << 10;
/// The time for which a token is good, if its server does not say.
const USUAL_LIFE: Duration = Duration::from_secs(60);
/// The longest time that is believed.
const LONGEST_LIFE: Duration = Duration::from_secs(3600);
/// The time before its end at which a token is renewed.
const MARGIN: Duration = Duration::from_secs(10);

/// The access to one repository. All requests to it share the token.
pub(super) struct Access {
    url: RegistryUrl,
    rights: Rights,
    logins: RegistryLogins,
    meter: Arc<Meter>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    challenge: Option<(Challenge, Option<Route>)>,
    granted: Option<Granted>,
    /// The login, once it was looked for.
    login: Option<Option<Login>>,
}

/// The value of `Authorization`, and the time at which it must be renewed.
struct Granted {
    header: HeaderValue,
    until: Option<Instant>,
}

/// The answer of a server of tokens.
#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    token: String,
    #[serde(default)]
    access_token: String,
    expires_in: Option<u64>,
}

impl Access {
    pub(super) fn new(url: &RegistryUrl, rights: Rights, logins: RegistryLogins, meter: Arc<Meter>) -> Self {
        Self { url: url.without_reference(), rights, logins, meter, state: Mutex::default() }
    }

    /// The challenge that the registry made, as it is remembered.
    pub(super) fn challenge(&self) -> Option<String> {
        // While somebody waits for a token, the challenge is not needed.
        self.state.try_lock().ok()?.challenge.as_ref().map(|(challenge, _)| challenge.to_text())
    }

    /// Expects this challenge, which spares the request that would be refused. The route leads to its server of tokens.
    pub(super) fn expect(&self, challenge: Challenge, realm: Option<Route>) {
        if let Ok(mut state) = self.state.try_lock() {
            state.challenge.get_or_insert((challenge, realm));
        }
    }

    pub(super) fn rights(&self) -> Rights {
        self.rights
    }

    /// Sends a request to the registry, with a login if the registry wants one.
    async fn send_logged_in(
        &self,
        client: &HttpClient,
        asked: &Route,
        request: &Request<'_>,
    ) -> Result<(Response, Route), StoreError> {
        let used = self.current(client).await?;
        let first = Request { authorization: used.as_ref(), ..*request };
        let (response, found) = client.send(asked, &first).await?;
        // Only the registry says where its login goes, and no bucket that it redirects to.
        let is_its_own = found.parsed().origin() == asked.parsed().origin();
        if response.status() != StatusCode::UNAUTHORIZED || !is_its_own {
            return Ok((response, found));
        }
        let Some(header) = self.renew(client, (&response, &found), used.as_ref()).await? else {
            return Ok((response, found));
        };
        self.drain(response, client).await;
        client.send(asked, &Request { authorization: Some(&header), ..*request }).await
    }

    /// Reads the body of a refusal, so that its connection can be used again.
    async fn drain(&self, response: Response, client: &HttpClient) {
        let body = Body::new(response, String::new(), Arc::clone(&self.meter), client.pace()).whole(MAX_ANSWER_BYTES);
        // Nothing depends on the body.
        let _ = tokio::time::timeout(Duration::from_secs(2), body).await;
    }

    /// The value of `Authorization` for the next request, as far as it is known.
    async fn current(&self, client: &HttpClient) -> Result<Option<HeaderValue>, StoreError> {
        let mut state = self.state.lock().await;
        if let Some(granted) = &state.granted
            && granted.until.is_none_or(|until| Instant::now() < until)
        {
            return Ok(Some(granted.header.clone()));
        }
        match state.challenge.clone() {
            Some((challenge, realm)) => self.obtain(client, &mut state, &challenge, realm.as_ref()).await,
            None => Ok(None),
        }
    }

    /// The value of `Authorization` after the registry has refused one. The result is `None` if there is no other.
    async fn renew(
        &self,
        client: &HttpClient,
        (response, found): (&Response, &Route),
        used: Option<&HeaderValue>,
    ) -> Result<Option<HeaderValue>, StoreError> {
        let headers: Vec<&str> = response
            .headers()
            .get_all(WWW_AUTHENTICATE)
            .into_iter()
            .filter_map(|header| header.to_str().ok())
            .collect();
        // Small registries say only elsewhere, or nowhere, that they want a password.
        let unsaid = headers.is_empty().then_some(Challenge::Basic);
        let Some(challenge) = Challenge::best(headers.into_iter()).or(unsaid) else { return Ok(None) };
        let mut state = self.state.lock().await;
        // Another request may have been refused at the same time.
        if let Some(granted) = state.granted.as_ref().filter(|granted| used != Some(&granted.header)) {
            return Ok(Some(granted.header.clone()));
        }
        let is_refused = used.is_some();
        let realm = match &challenge {
            Challenge::Basic if is_refused => return Ok(None),
            Challenge::Basic => None,
            // The login would go there in clear text.
            Challenge::Bearer { realm, .. } if realm.scheme() == "http" && realm.host() != found.parsed().host() => {
                let reason = format!("its login server {realm} is another host, and not asked without TLS");
                return Err(StoreError::Protocol { object: self.url.to_string(), reason });
            }
            Challenge::Bearer { realm, .. } => {
                Some(client.detour((response, found), realm.clone(), &self.url.to_string())?)
            }
        };
        state.challenge = Some((challenge.clone(), realm.clone()));
        self.obtain(client, &mut state, &challenge, realm.as_ref()).await
    }

    async fn obtain(
        &self,
        client: &HttpClient,
        state: &mut State,
        challenge: &Challenge,
        realm: Option<&Route>,
    ) -> Result<Option<HeaderValue>, StoreError> {
        let login = match &state.login {
            Some(login) => login.clone(),
            None => {
                let login = find_login(&self.logins, &self.url).await?;
                state.login.insert(login).clone()
            }
        };
        state.granted = match (challenge, realm, login) {
            (_, _, Some(Login::Token(token))) => Some(Granted { header: bearer(&token)?, until: None }),
            (Challenge::Basic, _, Some(Login::Password { user, password })) => {
                Some(Granted { header: basic(&user, &password)?, until: None })
            }
            (Challenge::Bearer { service, scope, .. }, Some(realm), login) => {
                let scope = scope.as_deref().filter(|_| self.rights == Rights::Read);
                Some(self.ask_for_token(client, realm, (service.as_deref(), scope), login.as_ref()).await?)
            }
            _ => None,
        };
        Ok(state.granted.as_ref().map(|granted| granted.header.clone()))
    }

    async fn ask_for_token(
        &self,
        client: &HttpClient,
        realm: &Route,
        (service, scope): (Option<&str>, Option<&str>),
        login: Option<&Login>,
    ) -> Result<Granted, StoreError> {
        let own = format!("repository:{}:{}", self.url.repository, self.rights.actions());
        let scope = scope.unwrap_or(&own);
        let asked = Instant::now();
        let (text, host) = match login {
            Some(Login::Identity(token)) => {
                let service = service.unwrap_or(&self.url.host);
                let form = [("grant_type", "refresh_token"), ("client_id", "regrow"), ("refresh_token", token)];
                let mut with_form = realm.parsed().clone();
                with_form.set_query(None);
                with_form.query_pairs_mut().extend_pairs(form).extend_pairs([("service", service), ("scope", scope)]);
                let form = Bytes::from(with_form.query().unwrap_or_default().to_owned());
                self.ask(client, realm.clone(), (None, Some(&form))).await?
            }
            login => {
                let mut url = realm.parsed().clone();
                let service = service.map(|service| ("service", service));
                url.query_pairs_mut().extend_pairs(service).append_pair("scope", scope);
                let header = match login {
                    Some(Login::Password { user, password }) => Some(basic(user, password)?),
                    _ => None,
                };
                self.ask(client, realm.to(url), (header.as_ref(), None)).await?
            }
        };
        let wrong = |reason: &str| StoreError::Protocol { object: host.clone(), reason: reason.to_owned() };
        let answer: Answer = serde_json::from_slice(&text).map_err(|_| wrong("no token in the answer"))?;
        let token = if answer.token.is_empty() { &answer.access_token } else { &answer.token };
        if token.is_empty() {
            return Err(wrong("no token in the answer"));
        }
        let life = answer.expires_in.map_or(USUAL_LIFE, Duration::from_secs).min(LONGEST_LIFE);
        let until = asked.checked_add(life.saturating_sub(MARGIN).max(life / 2));
        Ok(Granted { header: bearer(token)?, until })
    }

    /// Asks a server of tokens. Returns its answer, and its name for people.
    async fn ask(
        &self,
        client: &HttpClient,
        route: Route,
        (authorization, form): (Option<&HeaderValue>, Option<&Bytes>),
    ) -> Result<(Bytes, String), StoreError> {
        let object = format!("{}: the login server {}", self.url, route.parsed().origin().ascii_serialization());
        let form_type = [(CONTENT_TYPE, "application/x-www-form-urlencoded".to_owned())];
        let request = Request {
            authorization,
            body: form,
            method: if form.is_some() { &Method::POST } else { &Method::GET },
            ..Request::get(if form.is_some() { &form_type } else { &[] }, &object, &self.meter, client.stall_timeout())
        };
        let (response, _) = client.send(&route, &request).await?;
        check_whole(&response, &object).map_err(refused)?;
        let body = Body::new(response, object.clone(), Arc::clone(&self.meter), client.pace());
        Ok((body.whole(MAX_ANSWER_BYTES).await?, object))
    }
}

impl LoggedIn for Access {
    fn send<'a>(
        &'a self,
        client: &'a HttpClient,
        asked: &'a Route,
        request: &'a Request<'a>,
    ) -> BoxFuture<'a, Result<(Response, Route), StoreError>> {
        Box::pin(self.send_logged_in(client, asked, request))
    }

    fn explain(&self, error: StoreError) -> StoreError {
        refused(error)
    }
}

/// The error for an answer of a registry. Unlike buckets, registries do not answer 403 for absent objects.
pub(super) fn refused(error: StoreError) -> StoreError {
    match error {
        StoreError::NotFound { object, status: Some(status @ 403) } => StoreError::Denied { object, status },
        other => other,
    }
}

fn basic(user: &str, password: &str) -> Result<HeaderValue, StoreError> {
    secret(&format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
}

fn bearer(token: &str) -> Result<HeaderValue, StoreError> {
    secret(&format!("Bearer {token}"))
}

fn secret(value: &str) -> Result<HeaderValue, StoreError> {
    let mut value = HeaderValue::from_str(value).map_err(|_| StoreError::InvalidOption {
        option: "registry login".to_owned(),
        reason: "the token holds characters that headers cannot carry".to_owned(),
    })?;
    value.set_sensitive(true);
    Ok(value)
}
