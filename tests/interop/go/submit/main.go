// submit URL TYPE TARGET: hand in a task and print its result.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"
)

func main() {
	url, kind, target := os.Args[1], os.Args[2], os.Args[3]
	nc, err := nats.Connect(url)
	if err != nil {
		log.Fatal(err)
	}
	defer nc.Close()
	id := nuid.Next()
	// Listening begins before the task is handed in, so its result cannot be missed.
	results, err := nc.SubscribeSync("sanctuary.result." + kind + "." + id)
	if err != nil {
		log.Fatal(err)
	}
	task, err := json.Marshal(map[string]any{"id": id, "params": map[string]any{"target": target}})
	if err != nil {
		log.Fatal(err)
	}
	// A request, because the answer says that the task is stored.
	if _, err := nc.Request("sanctuary.task."+kind, task, 5*time.Second); err != nil {
		log.Fatal(err)
	}
	result, err := results.NextMsg(10 * time.Minute)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(result.Data))
}
