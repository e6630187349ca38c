// Verifies an audit log with the packages of Go's checksum database, and nothing of ours.
//
//	golog FOLDER VKEY [OLDER-CHECKPOINT ...]
//
// It checks the signature of the checkpoint, that every entry is in the tree, and that each older checkpoint is a beginning of it.
package main

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	height = 8
	// reading a proof from tiles verifies each of them anew: in a large log, for some entries of each bundle
	all  = 1000
	some = 37
)

func main() {
	if len(os.Args) < 3 {
		fail("usage: golog FOLDER VKEY [OLDER-CHECKPOINT ...]")
	}
	folder := os.Args[1]
	verifier, err := note.NewVerifier(os.Args[2])
	check(err)
	tree := checkpoint(filepath.Join(folder, "checkpoint"), verifier)
	reader := tlog.TileHashReader(tree, &tiles{folder: folder, read: map[string][]byte{}})
	entries(folder, tree, reader)
	for _, path := range os.Args[3:] {
		consistent(tree, checkpoint(path, verifier), reader)
	}
	fmt.Printf("%d entries, %d checkpoints\n", tree.N, len(os.Args)-2)
}

// checkpoint reads a signed note: origin, size, root.
func checkpoint(path string, verifier note.Verifier) tlog.Tree {
	content, err := os.ReadFile(path)
	check(err)
	opened, err := note.Open(content, note.VerifierList(verifier))
	check(err)
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() {
		fail("not a checkpoint of " + verifier.Name())
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	check(err)
	root, err := base64.StdEncoding.DecodeString(lines[2])
	check(err)
	tree := tlog.Tree{N: size}
	if copy(tree.Hash[:], root) != tlog.HashSize {
		fail("the root is too short")
	}
	return tree
}

// entries proves every entry of every bundle, by hashes of its own and, for some of each bundle, by those of the tiles.
func entries(folder string, tree tlog.Tree, reader tlog.HashReader) {
	var own memory
	number := int64(0)
	for number < tree.N {
		width := min(tree.N-number, 1<<height)
		tile := tlog.Tile{H: height, L: 0, N: number >> height, W: int(width)}
		bundle, err := os.ReadFile(filepath.Join(folder, strings.Replace(path(tile), "tile/0/", "tile/entries/", 1)))
		check(err)
		for end := number + width; number < end; number++ {
			length := int(binary.BigEndian.Uint16(bundle))
			hashes, err := tlog.StoredHashes(number, bundle[2:2+length], own)
			check(err)
			own = append(own, hashes...)
			bundle = bundle[2+length:]
		}
		if len(bundle) != 0 {
			fail("a bundle holds more than it should")
		}
	}
	for number = 0; number < tree.N; number++ {
		leaf := own[tlog.StoredHashIndex(0, number)]
		proof, err := tlog.ProveRecord(tree.N, number, own)
		check(err)
		check(tlog.CheckRecord(proof, tree.N, tree.Hash, number, leaf))
		if tree.N <= all || number%some == 0 || number == tree.N-1 {
			proof, err := tlog.ProveRecord(tree.N, number, reader)
			check(err)
			check(tlog.CheckRecord(proof, tree.N, tree.Hash, number, leaf))
		}
	}
}

// memory holds the hashes that tlog has made of the entries.
type memory []tlog.Hash

func (m memory) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	var found []tlog.Hash
	for _, index := range indexes {
		found = append(found, m[index])
	}
	return found, nil
}

// consistent proves an older tree to be a beginning of the tree.
func consistent(tree, older tlog.Tree, reader tlog.HashReader) {
	if older.N == 0 {
		return
	}
	proof, err := tlog.ProveTree(tree.N, older.N, reader)
	check(err)
	check(tlog.CheckTree(proof, tree.N, tree.Hash, older.N, older.Hash))
}

// tiles reads tiles of a folder, and remembers them.
type tiles struct {
	folder string
	read   map[string][]byte
}

func (t *tiles) Height() int { return height }

func (t *tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var found [][]byte
	for _, tile := range wanted {
		name := path(tile)
		if t.read[name] == nil {
			content, err := os.ReadFile(filepath.Join(t.folder, name))
			if err != nil {
				return nil, err
			}
			t.read[name] = content
		}
		found = append(found, t.read[name])
	}
	return found, nil
}

func (t *tiles) SaveTiles([]tlog.Tile, [][]byte) {}

// path is the path of a tile as C2SP has it, which does not say the height.
func path(tile tlog.Tile) string {
	return strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
}

func check(err error) {
	if err != nil {
		fail(err.Error())
	}
}

func fail(what string) {
	fmt.Fprintln(os.Stderr, "golog: "+what)
	os.Exit(1)
}
