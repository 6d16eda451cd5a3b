//go:build tools

// Package archive pins the S3 server that the archive is tested against.
package archive

import _ "github.com/minio/minio"
