//! Lists, writes and deletes the images of a repository.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use tempfile::NamedTempFile;

use super::artifact::{Artifact, CREATED, FRONT, IMAGE_TYPE, INDEX_TYPE, TITLE};
use super::client::MAX_MANIFEST_BYTES;
use super::store::{GC_TAG, Known, Named, named};
use super::{BlobDigest, BlobHasher, Descriptor, MANIFEST_TYPES, Manifest, Reference, RegistryStore, time};
use crate::name::check_name;
use crate::source::Source;
use crate::{
    Condition, Content, Depth, IndexContent, ListStore, ObjectInfo, ObjectKind, PATCHES_FOLDER, PruneStore, PutOutcome,
    STORE_FILE, StoreError, WriteStore, temporary_file,
};

/// The number of manifests that are read at a time.
const IN_FLIGHT: usize = 8;
/// The longest beginning of an index that a manifest carries, and the longest blob.
const MAX_FRONT_BYTES: u64 = 4 << 10;
const MAX_CARRIED_BYTES: u64 = 256;
/// The number of bytes of a file that are hashed at a time.
const HASHED_AT_ONCE: u64 = 2 << 20;
/// The tags under which registries without a list of referrers keep one: `sha256-…`.
const REFERRERS_PREFIX: &str = "sha256-";

impl RegistryStore {
    /// Reads the manifests of all images, as they are now.
    pub(super) async fn load_all(&self) -> Result<(), StoreError> {
        let tags = self.shared.client.tags(&self.shared.policy).await?;
        let is_image = |tag: &String| tag != GC_TAG && !tag.starts_with(REFERRERS_PREFIX);
        let references: Vec<Reference> =
            tags.into_iter().filter(is_image).filter_map(|tag| Reference::parse(&tag)).collect();
        let present: BTreeSet<Reference> = references.iter().cloned().collect();
        let is_there = |reference: &Reference| matches!(reference, Reference::Digest(_)) || present.contains(reference);
        self.known().images.retain(|reference, _| is_there(reference));
        let reading = references.iter().map(|reference| self.reread(reference));
        let read: Vec<_> = stream::iter(reading.collect::<Vec<_>>()).buffer_unordered(IN_FLIGHT).try_collect().await?;
        // All at once: what looks for an object meanwhile must not take some of the images for all.
        let mut known = self.known();
        for (reference, image) in read {
            match image {
                Some(image) => drop(known.images.insert(reference, image)),
                None => drop(known.images.remove(&reference)),
            }
        }
        known.is_listed = true;
        Ok(())
    }

    /// Reads the manifests of all images, unless that was done. Whoever asks meanwhile waits until all are known.
    pub(super) async fn load_all_once(&self) -> Result<(), StoreError> {
        let _alone = self.shared.listing.lock().await;
        if self.known().is_listed { Ok(()) } else { self.load_all().await }
    }

    /// Reads an image's manifest as it is now. The image is `None` for whatever else lies under the tag.
    async fn reread(&self, reference: &Reference) -> Result<(Reference, Option<Arc<Artifact>>), StoreError> {
        let earlier = self.known().images.get(reference).cloned();
        let digest = earlier.as_ref().map(|image| image.digest);
        let read = || self.shared.client.manifest(reference, digest.as_ref());
        let image = match self.shared.policy.run(read).await {
            Ok(Some(fetched)) => Artifact::of(fetched).map(Arc::new),
            Ok(None) => earlier,
            // It went away meanwhile, or it is no manifest that anybody here could read.
            Err(StoreError::NotFound { .. } | StoreError::Damaged { .. }) => None,
            Err(error) => return Err(error),
        };
        Ok((reference.clone(), image))
    }

    /// Whether an object that no known manifest names may be that of another image. Patches are those of their image.
    pub(super) fn may_be_elsewhere(&self, name: &str) -> bool {
        let known = self.known();
        !known.is_listed && (known.images.is_empty() || !name.starts_with(PATCHES_FOLDER))
    }

    async fn put_object(&self, name: &str, content: Content, condition: &Condition) -> Result<PutOutcome, StoreError> {
        check_name(self.url().to_string().as_str(), name)?;
        if *condition == Condition::IfAbsent && name == STORE_FILE && self.find(name).await?.is_some() {
            return Ok(PutOutcome::Refused);
        }
        let source = Source::of(content)?;
        let media_type = match name.rsplit_once('.').map(|(_, ending)| ending) {
            Some("pack") => "application/vnd.regrow.pack.v1",
            Some("patch") => "application/vnd.regrow.patch.v1",
            Some("json") => "application/vnd.regrow.store.v1+json",
            _ => "application/octet-stream",
        };
        let mut blob = self.put_blob(media_type, &source).await?;
        if source.bytes() <= MAX_CARRIED_BYTES {
            blob.data = STANDARD.encode(source.read(0..source.bytes()).await?);
        }
        self.known().put.insert(name.to_owned(), blob);
        Ok(PutOutcome::Stored)
    }

    async fn put_blob(&self, media_type: &str, source: &Source) -> Result<Descriptor, StoreError> {
        let digest = digest_of(source).await?;
        self.shared.client.put_blob(&digest, source, &self.shared.policy).await?;
        Ok(Descriptor::new(media_type, digest, source.bytes()))
    }

    /// Puts an index, and the manifest that makes it and all that it needs an image.
    async fn publish(&self, name: &str, index: IndexContent, condition: Condition) -> Result<PutOutcome, StoreError> {
        let Named::Index(Reference::Tag(tag)) = named(name) else {
            let reason = "an image in a registry has a tag for a name, as in oci://host/repository:tag".to_owned();
            return Err(StoreError::InvalidRequest { object: self.object(name), reason });
        };
        if (tag == GC_TAG) != (name == "gc.json") {
            let reason = "regrow keeps this tag for itself".to_owned();
            return Err(StoreError::InvalidRequest { object: self.object(name), reason });
        }
        let reference = Reference::Tag(tag.clone());
        let standing = self.standing(&reference).await?;
        let holds = match &condition {
            Condition::Always => true,
            Condition::IfAbsent => standing.is_none(),
            Condition::IfVersion(version) => {
                standing.as_ref().is_some_and(|image| image.digest.to_string() == *version)
            }
        };
        if !holds {
            return Ok(PutOutcome::Refused);
        }
        let objects = self.objects_of(name, &index).await?;
        let mut blob = self.put_blob(INDEX_TYPE, &Source::Bytes(index.bytes.clone())).await?;
        let front = index.head_bytes.min(MAX_FRONT_BYTES).min(blob.size);
        if front > 0 {
            blob.annotations.insert(FRONT.to_owned(), STANDARD.encode(index.bytes.slice(..front as usize)));
        }
        let subject = standing.as_ref().and_then(|image| image.subject.clone());
        if standing.is_some_and(|image| image.index == blob && image.objects == objects) {
            return Ok(PutOutcome::Stored);
        }
        let image = Image { index: blob, objects, created: time::shown(SystemTime::now()), subject };
        let digest = self.put_image(&tag, name, image).await?;
        if let Condition::IfVersion(_) = condition {
            // A registry cannot put on a condition. If two makers put at once, the one that finds the other's manifest
            // begins again.
            let found = self.shared.policy.run(|| self.shared.client.manifest(&reference, Some(&digest))).await?;
            return Ok(if found.is_none() { PutOutcome::Stored } else { PutOutcome::Refused });
        }
        Ok(PutOutcome::Stored)
    }

    /// The image under a tag, as it is now. A tag that leads to something else is refused, since it is not regrow's to
    /// replace.
    async fn standing(&self, reference: &Reference) -> Result<Option<Arc<Artifact>>, StoreError> {
        match self.shared.policy.run(|| self.load(reference, None)).await {
            Ok(image) => Ok(image),
            Err(error) if error.is_not_found() => {
                self.known().images.remove(reference);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The blobs of the objects that an index names.
    async fn objects_of(&self, name: &str, index: &IndexContent) -> Result<BTreeMap<String, Descriptor>, StoreError> {
        let mut objects = BTreeMap::new();
        for needed in &index.needs {
            let blob = self.find(needed).await?.ok_or_else(|| self.absent(needed))?;
            objects.insert(needed.clone(), blob);
        }
        let hints = index.hints.iter().filter_map(|hint| Some((hint.clone(), self.find_known(hint)?)));
        objects.extend(hints);
        if name != "gc.json"
            && let Some(blob) = self.find(STORE_FILE).await?
        {
            objects.insert(STORE_FILE.to_owned(), blob);
        }
        Ok(objects)
    }

    async fn put_image(&self, tag: &str, name: &str, image: Image) -> Result<BlobDigest, StoreError> {
        let empty = Source::Bytes(Bytes::from_static(b"{}"));
        let mut config = self.put_blob("application/vnd.oci.empty.v1+json", &empty).await?;
        config.data = STANDARD.encode("{}");
        let packs = image.objects.len();
        let bytes = image
            .manifest(name, config)
            .map_err(|error| StoreError::InvalidRequest { object: self.object(name), reason: error.to_string() })?;
        if bytes.len() as u64 > MAX_MANIFEST_BYTES {
            let reason = format!(
                "its manifest would list {packs} objects in {} bytes, and registries take 4 MiB; keep it in a bucket or on \
                 a static host",
                bytes.len()
            );
            return Err(StoreError::InvalidRequest { object: self.object(name), reason });
        }
        self.shared.client.put_manifest(tag, &bytes, &self.shared.policy).await?;
        let digest = BlobDigest::of(&bytes);
        let Image { index, objects, created, subject } = image;
        let image = Artifact { digest, index, objects, created, subject };
        self.known().images.insert(Reference::Tag(tag.to_owned()), Arc::new(image));
        Ok(digest)
    }

    async fn look_at(&self, name: &str) -> Result<Option<ObjectInfo>, StoreError> {
        check_name(self.url().to_string().as_str(), name)?;
        let client = &self.shared.client;
        let Named::Index(reference) = named(name) else {
            let Some(blob) = self.find(name).await? else { return Ok(None) };
            let is_new = self.known().put.contains_key(name);
            let is_there = is_new || self.shared.policy.run(|| client.has_blob(&blob.digest)).await?;
            return Ok(is_there.then(|| info(name, &blob, self.known().time_of(name))));
        };
        let Some(image) = self.standing(&reference).await? else { return Ok(None) };
        // The clock of the machine that wrote the list says nothing about the registry's.
        let modified = match name {
            "gc.json" => client.clock(&reference).await?.unwrap_or_else(SystemTime::now),
            _ => image.time(),
        };
        Ok(Some(info(name, &image.index, modified)))
    }

    async fn list_now(&self, folder: &str, depth: Depth) -> Result<Vec<ObjectInfo>, StoreError> {
        self.load_all().await?;
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let is_listed =
            |name: &str| name.strip_prefix(&prefix).is_some_and(|rest| depth == Depth::Tree || !rest.contains('/'));
        let known = self.known();
        let mut found: BTreeMap<String, ObjectInfo> = BTreeMap::new();
        for (reference, image) in &known.images {
            if !matches!(reference, Reference::Tag(_)) || *reference == Reference::Tag(GC_TAG.to_owned()) {
                continue;
            }
            let index = (Self::index_name(reference), &image.index);
            let objects = image.objects.iter().map(|(name, blob)| (name.clone(), blob));
            for (name, blob) in objects.chain([index]).filter(|(name, _)| is_listed(name)) {
                let entry = found.entry(name.clone()).or_insert_with(|| info(&name, blob, image.time()));
                entry.modified = entry.modified.max(image.time());
            }
        }
        for (name, blob) in known.put.iter().filter(|(name, _)| is_listed(name)) {
            found.entry(name.clone()).or_insert_with(|| info(name, blob, SystemTime::now()));
        }
        Ok(found.into_values().collect())
    }

    /// Deletes the images that need one of these objects. A patch is no need: it is taken out of the manifests.
    async fn delete_all(&self, names: &[String]) -> Result<(), StoreError> {
        names.iter().try_for_each(|name| check_name(self.url().to_string().as_str(), name))?;
        self.load_all().await?;
        let images = self.known().images.clone();
        for (reference, image) in images {
            let Reference::Tag(tag) = &reference else { continue };
            let index = Self::index_name(&reference);
            let named: Vec<&String> =
                names.iter().filter(|name| **name == index || image.objects.contains_key(*name)).collect();
            if named.is_empty() {
                continue;
            }
            if named.iter().all(|name| name.starts_with(PATCHES_FOLDER)) {
                let mut objects = image.objects.clone();
                objects.retain(|name, _| !named.contains(&name));
                let Artifact { index: blob, created, subject, .. } = (*image).clone();
                self.put_image(tag, &index, Image { index: blob, objects, created, subject }).await?;
            } else {
                self.shared.client.delete_manifest(&image.digest, &self.shared.policy).await?;
                self.known().images.remove(&reference);
            }
        }
        self.known().put.retain(|name, _| !names.contains(name));
        Ok(())
    }
}

/// An image to put.
struct Image {
    index: Descriptor,
    objects: BTreeMap<String, Descriptor>,
    created: String,
    subject: Option<Descriptor>,
}

impl Image {
    /// The manifest, whose blobs have the names of files: what is pulled with other tools is a store.
    fn manifest(&self, name: &str, config: Descriptor) -> serde_json::Result<Bytes> {
        let titled = |(name, blob): (&str, &Descriptor)| {
            let mut blob = blob.clone();
            blob.annotations.insert(TITLE.to_owned(), name.to_owned());
            blob
        };
        let objects = self.objects.iter().map(|(name, blob)| (name.as_str(), blob));
        let manifest = Manifest {
            schema_version: 2,
            media_type: MANIFEST_TYPES[0].to_owned(),
            artifact_type: IMAGE_TYPE.to_owned(),
            config: Some(config),
            layers: [(name, &self.index)].into_iter().chain(objects).map(titled).collect(),
            manifests: Vec::new(),
            subject: self.subject.clone(),
            annotations: BTreeMap::from([(CREATED.to_owned(), self.created.clone())]),
        };
        serde_json::to_vec(&manifest).map(Bytes::from)
    }
}

impl Artifact {
    fn time(&self) -> SystemTime {
        time::parse(&self.created).unwrap_or(UNIX_EPOCH)
    }
}

impl Known {
    /// The time of the newest image that has an object.
    fn time_of(&self, name: &str) -> SystemTime {
        let times = self.images.values().filter(|image| image.objects.contains_key(name)).map(|image| image.time());
        times.max().unwrap_or_else(SystemTime::now)
    }
}

impl ListStore for RegistryStore {
    fn list<'a>(&'a self, folder: &'a str, depth: Depth) -> BoxStream<'a, Result<ObjectInfo, StoreError>> {
        let listed = async move { Ok(stream::iter(self.list_now(folder, depth).await?.into_iter().map(Ok))) };
        stream::once(listed).try_flatten().boxed()
    }

    fn stat<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<ObjectInfo>, StoreError>> {
        Box::pin(self.look_at(name))
    }
}

impl WriteStore for RegistryStore {
    fn staging(&self) -> &Path {
        &self.shared.staging
    }

    fn stage(&self, prefix: &str) -> std::io::Result<NamedTempFile> {
        let mut file = temporary_file(self.staging(), prefix)?;
        // The bytes that are sent are read from the handle.
        std::fs::remove_file(file.path())?;
        file.disable_cleanup(true);
        Ok(file)
    }

    fn put<'a>(
        &'a self,
        name: &'a str,
        content: Content,
        _kind: ObjectKind,
        condition: Condition,
    ) -> BoxFuture<'a, Result<PutOutcome, StoreError>> {
        Box::pin(async move {
            if let Named::Object = named(name) {
                return self.put_object(name, content, &condition).await;
            }
            let source = Source::of(content)?;
            let bytes = source.read(0..source.bytes()).await?;
            self.publish(name, IndexContent { bytes, ..IndexContent::default() }, condition).await
        })
    }

    fn put_index<'a>(
        &'a self,
        name: &'a str,
        index: IndexContent,
        condition: Condition,
    ) -> BoxFuture<'a, Result<PutOutcome, StoreError>> {
        Box::pin(self.publish(name, index, condition))
    }
}

impl PruneStore for RegistryStore {
    fn delete<'a>(&'a self, names: &'a [String]) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(self.delete_all(names))
    }
}

/// The SHA-256 of all bytes of a source.
async fn digest_of(source: &Source) -> Result<BlobDigest, StoreError> {
    let (mut hasher, mut at) = (BlobHasher::default(), 0);
    while at < source.bytes() {
        let end = source.bytes().min(at + HASHED_AT_ONCE);
        hasher.update(&source.read(at..end).await?);
        at = end;
    }
    Ok(hasher.finish())
}

fn info(name: &str, blob: &Descriptor, modified: SystemTime) -> ObjectInfo {
    ObjectInfo { name: name.to_owned(), bytes: blob.size, modified, is_archived: false }
}
