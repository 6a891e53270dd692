//! Container engines: what images they hold, and giving them others. Their storage is read elsewhere (`regrow_local`);
//! here they are asked and told, by their sockets or their own commands.
