// prove VKEY FILE: verify a proof that Sanctuary wrote, with Go's own packages for signed notes and transparency logs.
//
// Prints a line for each entry of a task's proof, and the sizes that a growth's proof is about.
package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type entry struct {
	Sequence int64    `json:"sequence"`
	Record   []byte   `json:"record"`
	Path     [][]byte `json:"path"`
}

type proof struct {
	Format     string   `json:"format"`
	Checkpoint string   `json:"checkpoint"`
	Entries    []entry  `json:"entries"`
	Old        string   `json:"old"`
	New        string   `json:"new"`
	Path       [][]byte `json:"path"`
}

func main() {
	verifier, err := note.NewVerifier(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	data, err := os.ReadFile(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	var given proof
	if err := json.Unmarshal(data, &given); err != nil {
		log.Fatal(err)
	}
	known := note.VerifierList(verifier)
	switch given.Format {
	case "sanctuary-task-proof-v1":
		size, root := tree(given.Checkpoint, known)
		for _, each := range given.Entries {
			leaf := tlog.RecordHash(each.Record)
			if err := tlog.CheckRecord(hashes(each.Path), size, root, each.Sequence-1, leaf); err != nil {
				log.Fatal(err)
			}
			fmt.Println(each.Sequence, size)
		}
	case "sanctuary-growth-proof-v1":
		oldSize, oldRoot := tree(given.Old, known)
		newSize, newRoot := tree(given.New, known)
		if err := tlog.CheckTree(hashes(given.Path), newSize, newRoot, oldSize, oldRoot); err != nil {
			log.Fatal(err)
		}
		fmt.Println(oldSize, newSize)
	default:
		log.Fatalf("no proof: %q", given.Format)
	}
}

// tree returns what a signed checkpoint says: the size of the tree and its root.
func tree(text string, known note.Verifiers) (int64, tlog.Hash) {
	opened, err := note.Open([]byte(text), known)
	if err != nil {
		log.Fatal(err)
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) < 4 {
		log.Fatalf("no checkpoint: %q", opened.Text)
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		log.Fatal(err)
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		log.Fatalf("no root: %q", lines[2])
	}
	return size, tlog.Hash(root)
}

func hashes(path [][]byte) []tlog.Hash {
	found := make([]tlog.Hash, 0, len(path))
	for _, each := range path {
		if len(each) != tlog.HashSize {
			log.Fatalf("no hash: %x", each)
		}
		found = append(found, tlog.Hash(each))
	}
	return found
}
