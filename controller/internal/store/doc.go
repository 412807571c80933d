// Package store keeps rows in MariaDB: connections with TLS and a client
// certificate, transactions that are repeated on a deadlock, tables of Go
// structs, migrations, and the outbox.
//
// A table is a struct with `db` tags:
//
//	type row struct {
//		ID      string            `db:"id,key"`
//		Name    string            `db:"name"`
//		Meta    map[string]string `db:"meta,json"`
//		HostID  *string           `db:"host_id"` // NULL is nil
//		Version int64             `db:"revision"`
//	}
//	rows := store.NewTable[row](db, "servers")
//
// The words after the name are a closed list: key (the column that addresses
// a row; one per table), json (kept as JSON text), auto (made by the database;
// never written). Anything that a table cannot say is SQL, by
// [Querier].
//
// It imports cloud; api, quota and the services import it.
package store
