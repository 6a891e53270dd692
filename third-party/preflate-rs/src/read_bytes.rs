//! regrow's: numbers of an input, without the crate `byteorder`.

use std::io::{Read, Result};

/// Reads single numbers. An input that ends within one is an error.
pub trait ReadBytes: Read {
    fn read_u8(&mut self) -> Result<u8> {
        let mut byte = [0];
        self.read_exact(&mut byte)?;
        Ok(byte[0])
    }

    fn read_u16_le(&mut self) -> Result<u16> {
        let mut bytes = [0; 2];
        self.read_exact(&mut bytes)?;
        Ok(u16::from_le_bytes(bytes))
    }
}

impl<R: Read + ?Sized> ReadBytes for R {}
