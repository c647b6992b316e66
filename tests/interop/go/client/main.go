// A NATS client in Go that knows nothing of Sanctuary: it publishes, requests and listens, and as the operator it reads
// streams, with the official client library. Bodies come from standard input; each message that arrives is one line of JSON.
//
//	client -s URL pub SUBJECT             publish standard input
//	client -s URL -lines pub SUBJECT      publish each of its lines, spread over -connections
//	client -s URL req SUBJECT             request; -replies 0 takes all answers that arrive within -wait
//	client -s URL -count N sub SUBJECT    print the subject "ready" once subscribed, then N messages
//	client -s URL -nkey FILE info|view|consumers STREAM
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

var (
	server      = flag.String("s", nats.DefaultURL, "server")
	seedFile    = flag.String("nkey", "", "file with a user's nkey seed")
	wait        = flag.Duration("wait", 250*time.Second, "how long to wait")
	count       = flag.Int("count", 1, "messages to receive")
	replies     = flag.Int("replies", 1, "answers to wait for; 0: all within -wait")
	lines       = flag.Bool("lines", false, "each line of standard input is a message")
	connections = flag.Int("connections", 1, "connections to publish over")
	contentType = flag.String("content-type", "", "Content-Type header")
)

// message is how one is printed; data is base64.
type message struct {
	Subject string      `json:"subject"`
	Headers nats.Header `json:"headers,omitempty"`
	Data    []byte      `json:"data"`
}

func main() {
	flag.Parse()
	if err := run(flag.Arg(0), flag.Arg(1)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(verb, name string) error {
	if name == "" {
		return errors.New("a verb and a subject or stream are needed")
	}
	switch verb {
	case "pub":
		return publish(name)
	case "req":
		return request(name)
	case "sub":
		return listen(name)
	case "info", "view", "consumers":
		return operate(verb, name)
	}
	return fmt.Errorf("there is no verb %q", verb)
}

func connect() (*nats.Conn, error) {
	options := []nats.Option{nats.Name("interop")}
	if *seedFile != "" {
		key, err := nats.NkeyOptionFromSeed(*seedFile)
		if err != nil {
			return nil, err
		}
		options = append(options, key)
	}
	return nats.Connect(*server, options...)
}

func newMessage(subject string, data []byte) *nats.Msg {
	msg := nats.NewMsg(subject)
	msg.Data = data
	if *contentType != "" {
		msg.Header.Set("Content-Type", *contentType)
	}
	return msg
}

func show(subject string, headers nats.Header, data []byte) error {
	return json.NewEncoder(os.Stdout).Encode(message{subject, headers, data})
}

func publish(subject string) error {
	input, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	bodies := [][]byte{input}
	if *lines {
		bodies = bytes.Split(bytes.TrimSuffix(input, []byte("\n")), []byte("\n"))
	}
	failed := make(chan error, *connections)
	var all sync.WaitGroup
	for number := range *connections {
		all.Add(1)
		go func() {
			defer all.Done()
			failed <- publishShare(subject, bodies, number)
		}()
	}
	all.Wait()
	close(failed)
	for err := range failed {
		if err != nil {
			return err
		}
	}
	return nil
}

func publishShare(subject string, bodies [][]byte, number int) error {
	nc, err := connect()
	if err != nil {
		return err
	}
	defer nc.Close()
	for index := number; index < len(bodies); index += *connections {
		if err := nc.PublishMsg(newMessage(subject, bodies[index])); err != nil {
			return err
		}
	}
	return nc.FlushTimeout(*wait)
}

func request(subject string) error {
	body, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	nc, err := connect()
	if err != nil {
		return err
	}
	defer nc.Close()
	inbox := nc.NewRespInbox()
	answers, err := nc.SubscribeSync(inbox)
	if err != nil {
		return err
	}
	msg := newMessage(subject, body)
	msg.Reply = inbox
	if err := nc.PublishMsg(msg); err != nil {
		return err
	}
	deadline := time.Now().Add(*wait)
	for got := 0; *replies == 0 || got < *replies; got++ {
		answer, err := answers.NextMsg(time.Until(deadline))
		if errors.Is(err, nats.ErrTimeout) && *replies == 0 {
			return nil
		}
		if err != nil {
			return err
		}
		if err := show(strings.TrimPrefix(answer.Subject, inbox), answer.Header, answer.Data); err != nil {
			return err
		}
	}
	return nil
}

func listen(subject string) error {
	nc, err := connect()
	if err != nil {
		return err
	}
	defer nc.Close()
	messages, err := nc.SubscribeSync(subject)
	if err != nil {
		return err
	}
	// A thousand results may arrive faster than they are printed.
	if err := messages.SetPendingLimits(-1, -1); err != nil {
		return err
	}
	if err := nc.Flush(); err != nil {
		return err
	}
	if err := show("ready", nil, nil); err != nil {
		return err
	}
	deadline := time.Now().Add(*wait)
	for range *count {
		msg, err := messages.NextMsg(time.Until(deadline))
		if err != nil {
			return err
		}
		if err := show(msg.Subject, msg.Header, msg.Data); err != nil {
			return err
		}
	}
	return nil
}

func operate(verb, name string) error {
	nc, err := connect()
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), *wait)
	defer cancel()
	stream, err := js.Stream(ctx, name)
	if err != nil {
		return err
	}
	switch verb {
	case "info":
		return json.NewEncoder(os.Stdout).Encode(stream.CachedInfo())
	case "consumers":
		consumers := stream.ConsumerNames(ctx)
		for consumer := range consumers.Name() {
			fmt.Println(consumer)
		}
		return consumers.Err()
	}
	return view(ctx, stream)
}

// view prints all that the stream holds now, through a consumer of its own.
func view(ctx context.Context, stream jetstream.Stream) error {
	last := stream.CachedInfo().State.LastSeq
	if stream.CachedInfo().State.Msgs == 0 {
		return nil
	}
	reader, err := stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{InactiveThreshold: 30 * time.Second})
	if err != nil {
		return err
	}
	messages, err := reader.Messages()
	if err != nil {
		return err
	}
	defer messages.Stop()
	for {
		msg, err := messages.Next(jetstream.NextMaxWait(*wait))
		if err != nil {
			return err
		}
		if err := show(msg.Subject(), msg.Headers(), msg.Data()); err != nil {
			return err
		}
		meta, err := msg.Metadata()
		if err != nil {
			return err
		}
		if meta.Sequence.Stream >= last {
			return nil
		}
	}
}
