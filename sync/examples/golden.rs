//! Writes the golden files of the formats: `cargo run -p regrow-sync --example golden`. To be run only with a new
//! version of a format: the old files stay, beside the new ones, to show that they are still read.

#[path = "../tests/golden/chunks.rs"]
mod chunks;
#[path = "../tests/golden/disks.rs"]
mod disks;
#[path = "../tests/golden/image.rs"]
mod image;

use std::path::Path;

use regrow_sync::{
    HttpOptions, IndexFormat, Location, MakeOptions, Network, NoProgress, Params, PatchOptions, ReaderLimits,
    RetryPolicy, make, patch,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/v1");
    std::fs::create_dir_all(&folder)?;
    let image = image::golden_image();
    for (name, avg) in [("small", 1024), ("default", 16 << 10)] {
        std::fs::write(
            folder.join(format!("chunks-{name}.txt")),
            chunks::list_chunks(&image, Params::with_average(avg)?),
        )?;
    }
    let mut options = MakeOptions::new(folder.join("store"), folder.join("image.rgx"));
    options.format = Some(IndexFormat::V1);
    options.params = Some(Params::with_average(1024)?);
    options.pack_bytes = 60_000;
    let mut network = network()?;
    make(&mut image.as_slice(), Path::new("golden image"), None, &options, &mut network, &NoProgress)?;
    std::fs::remove_dir_all(folder.join("store/tmp"))?;
    write_patch(&folder.join("patch"))?;
    write_coded(&folder, "v1-coded", IndexFormat::V1)?;
    write_coded(&folder, "v2-coded", IndexFormat::V2)?;
    write_parted(&folder.with_file_name("v2"))?;
    write_disk(&folder.with_file_name("v2-disk"))?;
    write_coded_disks(&folder.with_file_name("v2-disk-coded"))
}

/// Makes disk images with compressed blocks: with runs of them, and with some that are kept or corrected.
fn write_coded_disks(folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    std::fs::create_dir_all(folder)?;
    for (name, image) in disks::coded_disks() {
        let mut file = tempfile::tempfile()?;
        std::io::Write::write_all(&mut file, &image)?;
        let mut options = MakeOptions::new(folder.join("store"), folder.join(name).with_extension("rgx"));
        options.image_file = Some(file);
        make(&mut image.as_slice(), Path::new(name), None, &options, &mut network()?, &NoProgress)?;
    }
    std::fs::remove_dir_all(folder.join("store/tmp"))?;
    Ok(())
}

/// Makes the ext4 image that the tests of `disk/` keep.
fn write_disk(folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let image = disks::golden_disk("ext4");
    let mut file = tempfile::tempfile()?;
    std::io::Write::write_all(&mut file, &image)?;
    std::fs::create_dir_all(folder)?;
    let mut options = MakeOptions::new(folder.join("store"), folder.join("ext4.rgx"));
    options.image_file = Some(file);
    make(&mut image.as_slice(), Path::new("ext4"), None, &options, &mut network()?, &NoProgress)?;
    std::fs::remove_dir_all(folder.join("store/tmp"))?;
    Ok(())
}

/// Makes two archives in version 2 of the index, and an announced patch.
fn write_parted(folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let mut network = network()?;
    std::fs::create_dir_all(folder)?;
    for (name, version) in [("old", 1), ("image", 2)] {
        let archive = image::golden_archive(version);
        let mut file = tempfile::tempfile()?;
        std::io::Write::write_all(&mut file, &archive)?;
        let index = folder.join(name).with_extension("rgx");
        let mut options = MakeOptions::new(folder.join("store"), index);
        (options.format, options.params) = (Some(IndexFormat::V2), Some(Params::with_average(1024)?));
        options.pack_bytes = 60_000;
        if version > 1 {
            options.patch_from = vec![Location::Path(folder.join("old.rgx")).into()];
            options.image_file = Some(file);
        }
        make(&mut archive.as_slice(), Path::new(name), None, &options, &mut network, &NoProgress)?;
    }
    std::fs::remove_dir_all(folder.join("store/tmp"))?;
    Ok(())
}

/// Makes the image with gzip files that is there: layers by GNU gzip, pigz, and zlib in two members.
fn write_coded(beside: &Path, name: &str, format: IndexFormat) -> Result<(), Box<dyn std::error::Error>> {
    let mut image = std::fs::File::open(beside.with_file_name("v1-coded/image.tar"))?;
    let folder = beside.with_file_name(name);
    std::fs::create_dir_all(&folder)?;
    let mut options = MakeOptions::new(folder.join("store"), folder.join("image.rgx"));
    options.format = Some(format);
    options.params = Some(Params::with_average(1024)?);
    let mut network = network()?;
    make(&mut image, Path::new("golden image"), None, &options, &mut network, &NoProgress)?;
    std::fs::remove_dir_all(folder.join("store/tmp"))?;
    Ok(())
}

/// A network that takes chunks as small as those of the golden files.
fn network() -> Result<Network, Box<dyn std::error::Error>> {
    let limits = ReaderLimits { min_avg_bytes: 1024, ..ReaderLimits::default() };
    Ok(Network::new(HttpOptions::default(), RetryPolicy::default(), std::env::temp_dir())?.with_limits(limits))
}

/// Makes the patch between the two images that are there.
fn write_patch(folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let work = tempfile::tempdir()?;
    let mut network = network()?;
    for name in ["old", "new"] {
        let mut image = std::fs::File::open(folder.join(name).with_extension("tar"))?;
        let mut options = MakeOptions::new(work.path().join("store"), work.path().join(name).with_extension("rgx"));
        options.format = Some(IndexFormat::V1);
        make(&mut image, Path::new(name), None, &options, &mut network, &NoProgress)?;
    }
    let options = PatchOptions::new(work.path().join("old.rgx"), work.path().join("new.rgx"));
    let report = patch(&options, &mut network, &NoProgress)?;
    std::fs::copy(work.path().join("store").join(report.patch), folder.join("old-to-new.patch"))?;
    Ok(())
}
