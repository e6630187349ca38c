// Verifies an audit log with the packages of Go's checksum database, and nothing of ours.
//
//	golog [-witness VKEY] [-from NUMBER | -pairs FILE] FOLDER VKEY [OLDER-CHECKPOINT ...]
//	golog -proof PROOF VKEY < ENTRY
//
// It checks the signature of the checkpoint, that every entry is in the tree, and of every two checkpoints, the newest among them, that
// the smaller is a beginning of the larger. With -witness, each older checkpoint has to be one that this witness has cosigned (C2SP tlog-cosignature). With -proof it needs
// no log: it checks that one entry is in the tree of the checkpoint that the proof carries (C2SP tlog-proof).
// Of a log that was pruned, -from says at which entry to begin. With -pairs FILE, of lines "SMALLER LARGER", it proves the same of the
// trees of these sizes, whose roots it makes from the entries, and prints each proof behind the two roots.
package main

import (
	"bufio"
	"cmp"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
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
	vkey := flag.String("witness", "", "the key of a witness that must have cosigned each older checkpoint")
	proof := flag.String("proof", "", "a proof of the entry on standard input")
	from := flag.Int64("from", 0, "the first entry to look at")
	pairs := flag.String("pairs", "", "a file of two sizes a line, to be proved consistent")
	flag.Parse()
	if *proof != "" && flag.NArg() == 1 {
		proved(*proof, flag.Arg(0))
		return
	}
	if flag.NArg() < 2 || (*pairs != "" && *from != 0) {
		fail("usage: golog [-witness VKEY] [-from NUMBER | -pairs FILE] FOLDER VKEY [OLDER-CHECKPOINT ...]")
	}
	folder := flag.Arg(0)
	verifier, err := note.NewVerifier(flag.Arg(1))
	check(err)
	var witnesses []note.Verifier
	if *vkey != "" {
		witnesses = append(witnesses, newWitness(*vkey))
	}
	tree := checkpoint(filepath.Join(folder, "checkpoint"), verifier, nil)
	reader := tlog.TileHashReader(tree, &tiles{folder: folder, read: map[string][]byte{}})
	skipped := ""
	if *from == 0 {
		own := entries(folder, tree, reader)
		if *pairs != "" {
			prove(*pairs, own, reader)
		}
	} else {
		rest(folder, tree, reader, *from)
		skipped = fmt.Sprintf(" the first %d of them not looked at,", *from)
	}
	trees := []tlog.Tree{tree}
	for _, path := range flag.Args()[2:] {
		trees = append(trees, checkpoint(path, verifier, witnesses))
	}
	slices.SortFunc(trees, func(a, b tlog.Tree) int { return cmp.Compare(a.N, b.N) })
	for at, larger := range trees {
		for _, smaller := range trees[:at] {
			consistent(larger, smaller, reader)
		}
	}
	fmt.Printf("%d entries,%s %d checkpoints\n", tree.N, skipped, flag.NArg()-1)
}

// checkpoint reads a signed note: origin, size, root. The log and all of the witnesses must have signed it.
func checkpoint(path string, verifier note.Verifier, witnesses []note.Verifier) tlog.Tree {
	content, err := os.ReadFile(path)
	check(err)
	return signed(content, verifier, witnesses)
}

func signed(content []byte, verifier note.Verifier, witnesses []note.Verifier) tlog.Tree {
	opened, err := note.Open(content, note.VerifierList(append(witnesses, verifier)...))
	check(err)
	if len(opened.Sigs) != len(witnesses)+1 {
		fail("a checkpoint is not signed by all who should have")
	}
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

// proved checks an entry by a proof that carries its checkpoint.
func proved(path, vkey string) {
	verifier, err := note.NewVerifier(vkey)
	check(err)
	content, err := os.ReadFile(path)
	check(err)
	head, checkpoint, _ := strings.Cut(string(content), "\n\n")
	lines := strings.Split(head, "\n")
	if len(lines) < 2 || lines[0] != "c2sp.org/tlog-proof@v1" {
		fail("this is not a proof")
	}
	number, err := strconv.ParseInt(strings.TrimPrefix(lines[1], "index "), 10, 64)
	check(err)
	var hashes tlog.RecordProof
	for _, line := range lines[2:] {
		hash, err := tlog.ParseHash(line)
		check(err)
		hashes = append(hashes, hash)
	}
	tree := signed([]byte(checkpoint), verifier, nil)
	entry, err := io.ReadAll(os.Stdin)
	check(err)
	check(tlog.CheckRecord(hashes, tree.N, tree.Hash, number, tlog.RecordHash(entry)))
	fmt.Printf("entry %d of %d\n", number, tree.N)
}

// entries proves every entry of every bundle, by hashes of its own and, for some of each bundle, by those of the tiles.
// Gives its own hashes.
func entries(folder string, tree tlog.Tree, reader tlog.HashReader) memory {
	var own memory
	number := int64(0)
	for number < tree.N {
		for _, entry := range bundle(folder, tree, number) {
			hashes, err := tlog.StoredHashes(number, entry, own)
			check(err)
			own = append(own, hashes...)
			number++
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
	return own
}

// rest proves the entries from number on, by the hashes of the tiles alone.
func rest(folder string, tree tlog.Tree, reader tlog.HashReader, number int64) {
	for number < tree.N {
		for _, entry := range bundle(folder, tree, number) {
			proof, err := tlog.ProveRecord(tree.N, number, reader)
			check(err)
			check(tlog.CheckRecord(proof, tree.N, tree.Hash, number, tlog.RecordHash(entry)))
			number++
		}
	}
}

// bundle reads the entries of the bundle that begins with entry number.
func bundle(folder string, tree tlog.Tree, number int64) [][]byte {
	width := min(tree.N-number, 1<<height)
	tile := tlog.Tile{H: height, L: 0, N: number >> height, W: int(width)}
	content, err := os.ReadFile(filepath.Join(folder, strings.Replace(path(tile), "tile/0/", "tile/entries/", 1)))
	check(err)
	var found [][]byte
	for ; width > 0; width-- {
		length := int(binary.BigEndian.Uint16(content))
		found = append(found, content[2:2+length])
		content = content[2+length:]
	}
	if len(content) != 0 {
		fail("a bundle holds more than it should")
	}
	return found
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

// consistent proves a smaller tree to be a beginning of a larger one, by the hashes of the tiles.
func consistent(larger, smaller tlog.Tree, reader tlog.HashReader) tlog.TreeProof {
	if smaller.N == 0 {
		return nil
	}
	proof, err := tlog.ProveTree(larger.N, smaller.N, reader)
	check(err)
	check(tlog.CheckTree(proof, larger.N, larger.Hash, smaller.N, smaller.Hash))
	return proof
}

// prove proves trees of any two sizes consistent: the roots are made from entries, the proofs from tiles.
func prove(path string, own memory, reader tlog.HashReader) {
	file, err := os.Open(path)
	check(err)
	defer file.Close()
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	roots := map[int64]tlog.Tree{}
	tree := func(size int64) tlog.Tree {
		if _, known := roots[size]; !known {
			root, err := tlog.TreeHash(size, own)
			check(err)
			roots[size] = tlog.Tree{N: size, Hash: root}
		}
		return roots[size]
	}
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		var smaller, larger int64
		_, err := fmt.Sscanf(lines.Text(), "%d %d", &smaller, &larger)
		check(err)
		proof := consistent(tree(larger), tree(smaller), reader)
		fmt.Fprint(out, smaller, " ", larger, " ", tree(smaller).Hash, " ", tree(larger).Hash)
		for _, hash := range proof {
			fmt.Fprint(out, " ", hash)
		}
		fmt.Fprintln(out)
	}
	check(lines.Err())
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

// witness verifies cosignatures, which note does not know: a time, and a signature over it and the note.
type witness struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

func newWitness(vkey string) *witness {
	parts := strings.SplitN(vkey, "+", 3)
	if len(parts) != 3 {
		fail("not the key of a witness")
	}
	hash, err := strconv.ParseUint(parts[1], 16, 32)
	check(err)
	key, err := base64.StdEncoding.DecodeString(parts[2])
	check(err)
	sum := sha256.Sum256([]byte(parts[0] + "\n" + string(key)))
	if len(key) != 33 || key[0] != 4 || binary.BigEndian.Uint32(sum[:]) != uint32(hash) {
		fail("not the key of a witness")
	}
	return &witness{parts[0], uint32(hash), ed25519.PublicKey(key[1:])}
}

func (w *witness) Name() string { return w.name }

func (w *witness) KeyHash() uint32 { return w.hash }

func (w *witness) Verify(text, signature []byte) bool {
	if len(signature) != 8+ed25519.SignatureSize {
		return false
	}
	time := binary.BigEndian.Uint64(signature)
	return ed25519.Verify(w.key, fmt.Appendf(nil, "cosignature/v1\ntime %d\n%s", time, text), signature[8:])
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
