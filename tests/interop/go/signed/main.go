// signed SUBJECT SIGNER SIGNATURE < BODY: verify a result's signature by what docs/wire.md says, and nothing of Sanctuary.
//
// Prints the result's place in the tree that was signed, and the tree's size.
package main

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"log"
	"os"

	"github.com/nats-io/nkeys"
)

func main() {
	body, err := io.ReadAll(os.Stdin)
	if err != nil {
		log.Fatal(err)
	}
	signer, err := nkeys.FromPublicKey(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	told, err := base64.StdEncoding.DecodeString(os.Args[3])
	if err != nil || len(told) < 66 || len(told)%32 != 2 || len(told) > 66+8*32 {
		log.Fatalf("no signature: %q", os.Args[3])
	}
	signature, n, i, hashes := told[:64], int(told[64]), int(told[65]), told[66:]
	if i >= n {
		log.Fatalf("a tree of %d leaves has no leaf %d", n, i)
	}
	node, at, last := hash(0, []byte(os.Args[1]+"\n"), body), i, n-1
	for ; len(hashes) > 0; hashes = hashes[32:] {
		if last == 0 {
			log.Fatal("the path is too long")
		}
		if at%2 == 1 || at == last {
			node = hash(1, hashes[:32], node)
			for at%2 == 0 && at != 0 {
				at, last = at/2, last/2
			}
		} else {
			node = hash(1, node, hashes[:32])
		}
		at, last = at/2, last/2
	}
	if last != 0 {
		log.Fatal("the path is too short")
	}
	signed := append([]byte("\xffsanctuary results v1\n"), byte(n))
	if err := signer.Verify(append(signed, node...), signature); err != nil {
		log.Fatal(err)
	}
	fmt.Println(i, n)
}

func hash(prefix byte, left, right []byte) []byte {
	sum := sha256.Sum256(append(append([]byte{prefix}, left...), right...))
	return sum[:]
}
