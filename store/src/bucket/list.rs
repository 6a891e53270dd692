//! Lists, page by page, and deletions.

use std::borrow::Cow;

use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use object_store::list::{PaginatedListOptions, PaginatedListResult};
use object_store::path::Path as Key;
use object_store::{GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt};

use super::archived::Archived;
use super::failure::{Action, refusal};
use super::{BucketStore, Provider};
use crate::name::check_name;
use crate::{Depth, ListStore, ObjectInfo, PruneStore, StoreError};

/// The most objects that one request deletes, which is S3's limit.
const DELETED_AT_ONCE: usize = 1000;
/// The number of single deletions that run at a time.
const DELETIONS_AT_ONCE: usize = 16;

/// The position of a list.
enum Page {
    First,
    After(String),
    Done,
}

impl BucketStore {
    fn prefix(&self, folder: &str) -> String {
        let parts = [self.url.path.as_str(), folder];
        let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        if parts.is_empty() { String::new() } else { parts.join("/") + "/" }
    }

    async fn page(
        &self,
        prefix: &str,
        depth: Depth,
        token: Option<String>,
    ) -> Result<(PaginatedListResult, Archived), StoreError> {
        let object = format!("{}/", self.shown);
        let options = PaginatedListOptions {
            delimiter: (depth == Depth::Folder).then_some(Cow::Borrowed("/")),
            page_token: token,
            ..PaginatedListOptions::default()
        };
        let prefix = (!prefix.is_empty()).then_some(prefix);
        let archived = Archived::default();
        let list = || archived.noting(self.remote().list_paginated(prefix, options.clone()));
        let page = self.retried(&object, Action::List, list).await?;
        Ok((page, archived))
    }

    /// The object that an entry of a list stands for, unless no object of this store could have its name.
    fn listed(&self, meta: &ObjectMeta, archived: &Archived) -> Option<ObjectInfo> {
        let key = meta.location.as_ref();
        let name = match self.url.path.as_str() {
            "" => key,
            path => key.strip_prefix(path)?.strip_prefix('/')?,
        };
        check_name("", name).is_ok().then(|| info(name, meta, archived.has(key)))
    }

    async fn look_at(&self, name: &str) -> Result<Option<ObjectInfo>, StoreError> {
        let (key, object) = self.key(name)?;
        let archived = Archived::default();
        match self.retried(&object, Action::Read, || archived.noting(self.remote().head(&key))).await {
            Ok(meta) => Ok(Some(info(name, &meta, archived.has_asked_for()))),
            Err(error) if error.is_not_found() => Ok(None),
            Err(StoreError::Status { status: 400, .. }) => Err(self.reason_of(&key, &object).await),
            Err(error) => Err(error),
        }
    }

    /// The reason why a HEAD was refused, usually expired credentials. The answer to a HEAD has no body that would
    /// give it, so this asks by GET.
    async fn reason_of(&self, key: &Key, object: &str) -> StoreError {
        let options = GetOptions { range: Some(GetRange::Bounded(0..1)), ..GetOptions::default() };
        let answer = self.retried(object, Action::Read, || self.remote().get_opts(key, options.clone())).await;
        answer.err().unwrap_or_else(|| StoreError::Status { object: object.to_owned(), status: 400, retry_after: None })
    }

    async fn delete_all(&self, names: &[String]) -> Result<(), StoreError> {
        let keys: Vec<_> = names.iter().map(|name| self.key(name)).collect::<Result<_, _>>()?;
        if self.url.provider != Provider::S3 {
            return self.delete_each(&keys).await;
        }
        for keys in keys.chunks(DELETED_AT_ONCE) {
            let object = format!("{}/", self.shown);
            match self.retried(&object, Action::Delete, || self.delete_at_once(keys)).await {
                // Some hosts only delete objects one by one.
                Err(StoreError::Answer { status: 405 | 501, .. } | StoreError::Status { status: 405 | 501, .. }) => {
                    self.delete_each(keys).await?;
                }
                answer => answer?,
            }
        }
        Ok(())
    }

    async fn delete_at_once(&self, keys: &[(Key, String)]) -> object_store::Result<()> {
        let keys: Vec<_> = keys.iter().map(|(key, _)| Ok(key.clone())).collect();
        let deleted = ObjectStore::delete_stream(self.remote(), stream::iter(keys).boxed());
        deleted.try_for_each(|_| std::future::ready(Ok(()))).await
    }

    async fn delete_each(&self, keys: &[(Key, String)]) -> Result<(), StoreError> {
        let deletions = keys.iter().map(|(key, object)| self.delete_one(key, object));
        stream::iter(deletions.collect::<Vec<_>>())
            .buffer_unordered(DELETIONS_AT_ONCE)
            .try_for_each(|()| std::future::ready(Ok(())))
            .await
    }

    async fn delete_one(&self, key: &Key, object: &str) -> Result<(), StoreError> {
        self.retried(object, Action::Delete, || async {
            match self.opened.singly.delete(key).await {
                Err(object_store::Error::NotFound { .. }) => Ok(()),
                Err(error) if refusal(&error).is_some_and(|refusal| refusal.status == 404) => Ok(()),
                answer => answer,
            }
        })
        .await
    }
}

impl ListStore for BucketStore {
    fn list<'a>(&'a self, folder: &'a str, depth: Depth) -> BoxStream<'a, Result<ObjectInfo, StoreError>> {
        let prefix = self.prefix(folder);
        let pages = stream::try_unfold((Page::First, prefix), move |(page, prefix)| async move {
            let token = match page {
                Page::First => None,
                Page::After(token) => Some(token),
                Page::Done => return Ok(None),
            };
            let asked = token.clone();
            let (found, archived) = self.page(&prefix, depth, token).await?;
            if found.page_token.is_some() && found.page_token == asked {
                let reason = "the host repeats a page of the list".to_owned();
                return Err(StoreError::Protocol { object: format!("{}/", self.shown), reason });
            }
            let next = found.page_token.map_or(Page::Done, Page::After);
            let infos: Vec<_> =
                found.result.objects.iter().filter_map(|meta| self.listed(meta, &archived)).map(Ok).collect();
            Ok(Some((stream::iter(infos), (next, prefix))))
        });
        pages.try_flatten().boxed()
    }

    fn stat<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<ObjectInfo>, StoreError>> {
        Box::pin(self.look_at(name))
    }
}

impl PruneStore for BucketStore {
    fn delete<'a>(&'a self, names: &'a [String]) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(self.delete_all(names))
    }
}

fn info(name: &str, meta: &ObjectMeta, is_archived: bool) -> ObjectInfo {
    ObjectInfo { name: name.to_owned(), bytes: meta.size, modified: meta.last_modified.into(), is_archived }
}
