//! Whole images in the storage that Podman, Buildah and CRI-O share: their configuration, and their layers as plain
//! tars. The storage may keep a manifest too, but that names compressed layers, which the storage does not have.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;

use super::containers::{drivers, layers_of, read_list};
use super::storage::{contents_folder, read_file};
use super::{EngineStorage, StorageKind, storage};
use crate::seed::layer::{OpenFiles, SplitLayer};
use crate::seed::rooted::Rooted;
use crate::{LocalError, StorageFault};

/// The largest list of images in bytes.
const MAX_LIST_BYTES: u64 = 64 << 20;
/// The largest configuration in bytes.
const MAX_CONFIG_BYTES: u64 = 4 << 20;
/// The most layers of an image.
const MAX_LAYERS: usize = 1024;
/// The number of bytes that are read at a time.
const READ_BYTES: usize = 1 << 20;
/// The number of digits of an id that name an image at least.
const MIN_ID_DIGITS: usize = 8;
/// The places in which a short name is looked for, as Podman does.
const SHORT_NAME_PLACES: [&str; 4] = ["", "localhost/", "docker.io/library/", "docker.io/"];

/// An image in a list.
#[derive(Deserialize)]
struct ListedImage {
    id: String,
    #[serde(default)]
    names: Option<Vec<String>>,
    #[serde(default)]
    layer: Option<String>,
}

/// An image in the storage of Podman, Buildah and CRI-O.
pub struct StoredImage {
    /// The id, which is the digest of the configuration.
    pub id: String,
    /// The configuration.
    pub config: Vec<u8>,
    /// The layers, the lowest first.
    pub layers: Vec<StoredLayer>,
}

/// A layer of a stored image, which gives its plain tar.
pub struct StoredLayer {
    split: Arc<SplitLayer>,
}

/// The image of a name, or the names of those that there are.
pub enum Lookup {
    /// The image.
    Found(Box<StoredImage>),
    /// The images that are there instead.
    Absent(Vec<String>),
}

impl EngineStorage {
    /// Splits `ROOT/NAME`, as a user names an image in such a storage. A name alone is one in the usual storage.
    #[must_use]
    pub fn of_image(text: &str) -> (Self, String) {
        let usual = StorageKind::Containers.default_root().unwrap_or_default();
        let is_path = text.starts_with('/') || text.starts_with("./") || text.starts_with("../");
        let ends = text.match_indices('/').map(|(at, _)| at).filter(|&at| is_path && at > 0);
        let of_kind =
            |root: &Path| Rooted::open(root).is_ok_and(|root| storage::is_of_kind(&root, StorageKind::Containers));
        let (root, name) = match ends.into_iter().find(|&at| of_kind(Path::new(&text[..at]))) {
            Some(at) => (&text[..at], &text[at + 1..]),
            None => (usual, text),
        };
        (Self { kind: StorageKind::Containers, root: PathBuf::from(root) }, name.to_owned())
    }

    /// Finds an image by its name, or by its id or the beginning of that.
    ///
    /// # Errors
    /// The folder is no storage of Podman, Buildah and CRI-O, or is damaged, or a layer of the image has no description
    /// of how it is made.
    pub fn find_image(&self, name: &str) -> Result<Lookup, LocalError> {
        let root = Rooted::open(&self.root).map_err(LocalError::io(&self.root))?;
        let at = |path: &Path| {
            let path = self.root.join(path);
            move |fault| LocalError::Storage { path, fault }
        };
        if self.kind != StorageKind::Containers || !storage::is_of_kind(&root, self.kind) {
            return Err(at(Path::new(""))(StorageFault::OtherKind(StorageKind::Containers.name())));
        }
        let mut others = Vec::new();
        for driver in drivers(&root) {
            let list = PathBuf::from(format!("{driver}-images/images.json"));
            let images = match read_file(&root, &list, MAX_LIST_BYTES) {
                Err(StorageFault::Unreadable(error)) if error.kind() == io::ErrorKind::NotFound => continue,
                text => text.map_err(at(&list))?,
            };
            let images: Vec<ListedImage> =
                serde_json::from_slice(&images).map_err(|_| at(&list)(StorageFault::Malformed))?;
            if let Some(image) = chosen(&images, name) {
                let stored = self.open_image(&root, &driver, image)?;
                return Ok(Lookup::Found(Box::new(stored)));
            }
            others.extend(images.into_iter().flat_map(|image| image.names.unwrap_or_else(|| vec![image.id])));
        }
        Ok(Lookup::Absent(others))
    }

    fn open_image(&self, root: &Rooted, driver: &str, image: &ListedImage) -> Result<StoredImage, LocalError> {
        let fault = |path: &Path, fault| LocalError::Storage { path: self.root.join(path), fault };
        let config =
            PathBuf::from(format!("{driver}-images/{}/{}", image.id, data_name(&format!("sha256:{}", image.id))));
        let bytes = read_file(root, &config, MAX_CONFIG_BYTES).map_err(|error| fault(&config, error))?;
        let open = Arc::default();
        let mut layers = Vec::new();
        for id in self.chain(root, driver, image.layer.as_deref())? {
            layers.push(self.open_stored_layer(root, driver, &id, &open)?);
        }
        Ok(StoredImage { id: image.id.clone(), config: bytes, layers })
    }

    /// The ids of the layers from the lowest up to the one with this id.
    fn chain(&self, root: &Rooted, driver: &str, top: Option<&str>) -> Result<Vec<String>, LocalError> {
        let mut listed = Vec::new();
        for list in layers_of(driver) {
            match read_list(root, &list) {
                Ok(layers) => listed.extend(layers),
                Err(StorageFault::Unreadable(error)) if error.kind() == io::ErrorKind::NotFound => {}
                Err(fault) => return Err(LocalError::Storage { path: self.root.join(list), fault }),
            }
        }
        let damaged = || LocalError::Storage { path: self.root.clone(), fault: StorageFault::Malformed };
        let (mut chain, mut next) = (Vec::new(), top.filter(|top| !top.is_empty()).map(str::to_owned));
        while let Some(id) = next {
            let layer = listed.iter().find(|layer| layer.id == id).filter(|_| chain.len() < MAX_LAYERS);
            next = layer.ok_or_else(damaged)?.parent.clone().filter(|parent| !parent.is_empty());
            chain.push(id);
        }
        chain.reverse();
        Ok(chain)
    }

    fn open_stored_layer(
        &self,
        root: &Rooted,
        driver: &str,
        id: &str,
        open: &Arc<OpenFiles>,
    ) -> Result<StoredLayer, LocalError> {
        let described = PathBuf::from(format!("{driver}-layers/{id}.tar-split.gz"));
        let fault = |fault| LocalError::Storage { path: self.root.join(&described), fault };
        let folder = contents_folder(driver, id).ok_or_else(|| fault(StorageFault::Malformed))?;
        let file = root.open_file(&described).map_err(|error| fault(StorageFault::Unreadable(error)))?;
        let files = root.folder(&folder).map_err(LocalError::io(self.root.join(&folder)))?;
        let split = SplitLayer::read(file, files, folder, Arc::clone(open)).map_err(fault)?;
        Ok(StoredLayer { split: Arc::new(split) })
    }
}

impl StoredLayer {
    /// The size of the plain tar in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.split.bytes()
    }

    /// Reads the plain tar. A file of it that is gone, or shorter than it was, is an error.
    #[must_use]
    pub fn reader(&self) -> StoredLayerReader {
        StoredLayerReader { split: Arc::clone(&self.split), at: 0 }
    }
}

/// Reads the plain tar of a stored layer.
pub struct StoredLayerReader {
    split: Arc<SplitLayer>,
    at: u64,
}

impl Read for StoredLayerReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.split.bytes() - self.at).unwrap_or(usize::MAX);
        let len = out.len().min(READ_BYTES).min(left);
        self.split.read_exact_at(&mut out[..len], self.at)?;
        self.at += len as u64;
        Ok(len)
    }
}

/// The image that a name stands for.
fn chosen<'i>(images: &'i [ListedImage], name: &str) -> Option<&'i ListedImage> {
    let id = name.strip_prefix("sha256:").unwrap_or(name);
    let slash = name.rfind('/').map_or(0, |at| at + 1);
    let tagged = if name[slash..].contains([':', '@']) { name.to_owned() } else { format!("{name}:latest") };
    let by_name = |place: &&str| {
        let full = format!("{place}{tagged}");
        images.iter().find(|image| image.names.iter().flatten().any(|known| *known == full))
    };
    let by_id = || {
        let is_id = id.len() >= MIN_ID_DIGITS && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        let mut found = images.iter().filter(|image| is_id && image.id.starts_with(id));
        // The beginning of two ids names neither.
        found.next().filter(|_| found.next().is_none())
    };
    SHORT_NAME_PLACES.iter().find_map(by_name).or_else(by_id)
}

/// The name of the file for data of an image, which may hold characters that names of files had better not.
fn data_name(key: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut name = String::from("=");
    for group in key.as_bytes().chunks(3) {
        let bits = group.iter().fold(0u32, |bits, &byte| bits << 8 | u32::from(byte)) << (8 * (3 - group.len()));
        let digit = |place: usize| DIGITS[(bits >> (18 - 6 * place) & 63) as usize] as char;
        name.extend((0..4).map(|place| if place <= group.len() { digit(place) } else { '=' }));
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(id: &str, names: &[&str]) -> ListedImage {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        ListedImage { id: id.to_owned(), names: Some(names), layer: None }
    }

    #[test]
    fn images_are_named_as_podman_names_them() {
        let images = [
            image("0123456789ab", &["localhost/app:2"]),
            image("0123456700", &["docker.io/library/app:latest", "registry:5000/app:latest"]),
        ];
        for (name, id) in [
            ("app:2", Some("0123456789ab")),
            ("localhost/app:2", Some("0123456789ab")),
            ("app", Some("0123456700")),
            ("registry:5000/app", Some("0123456700")),
            ("0123456789", Some("0123456789ab")),
            ("sha256:0123456700", Some("0123456700")),
            ("01234567", None),
            ("other", None),
        ] {
            assert_eq!(chosen(&images, name).map(|image| image.id.as_str()), id, "{name}");
        }
    }

    #[test]
    fn data_has_encoded_names() {
        assert_eq!(data_name("sha256:ab"), "=c2hhMjU2OmFi");
        assert_eq!(data_name("manifest-sha256:0"), "=bWFuaWZlc3Qtc2hhMjU2OjA=");
    }
}
